from .laplace import Minimum as Minimum
from .laplace import log_evidence_ratio as log_evidence_ratio
from .laplace import minima_over_priors as minima_over_priors
from .laplace import minimize as minimize
from .sweep import sweep_evidence as sweep_evidence
