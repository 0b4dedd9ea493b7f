from .claims.claim import Claim as Claim
from .claims.claim import Verdict as Verdict
from .claims.evaluate import evaluate_claims as evaluate_claims
from .data.dataset import Dataset as Dataset
from .data.prepare import open_dataset as open_dataset
from .errors import ConfigError as ConfigError
from .errors import DataError as DataError
from .errors import NoisescaleError as NoisescaleError
from .errors import RecordError as RecordError
from .laws.peaks import Peaks as Peaks
from .laws.peaks import find_peaks as find_peaks
from .laws.scaling import fit_scaling_laws as fit_scaling_laws
from .results.load import Results as Results
from .results.load import load_results as load_results
from .results.load import load_runs as load_runs
from .results.scaling_laws import ScalingLaws as ScalingLaws
from .study.grid import Run as Run
from .study.grid import unique_runs as unique_runs
from .study.loading import load_study as load_study
from .study.model import Study as Study
from .study.noise_scale import noise_scale as noise_scale
from .training.learning_curve import LearningCurve as LearningCurve
from .training.learning_curve import runs_table as runs_table
from .training.runs import train as train

__version__: str
