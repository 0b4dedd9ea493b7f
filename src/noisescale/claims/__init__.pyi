from .agreement import evidence_agreement as evidence_agreement
from .claim import Claim as Claim
from .claim import Verdict as Verdict
from .evaluate import all_claims as all_claims
from .evaluate import evaluate_claims as evaluate_claims
from .stage import read_claims as read_claims
