"""The columns of every result table."""

from __future__ import annotations

import pyarrow as pa

RUNS = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("hidden", pa.string(), nullable=False),
        pa.field("preprocessing", pa.string(), nullable=False),
        pa.field("train_size", pa.int32(), nullable=False),
        pa.field("batch_size", pa.int32(), nullable=False),
        pa.field("learning_rate", pa.float64(), nullable=False),
        pa.field("momentum", pa.float64(), nullable=False),
        pa.field("weight_decay", pa.float64(), nullable=False),
        pa.field("label_noise", pa.float64(), nullable=False),
        pa.field("updates", pa.int32(), nullable=False),
        pa.field("seed", pa.int32(), nullable=False),
        pa.field("noise_scale", pa.float64(), nullable=False),
        pa.field("update", pa.int32(), nullable=False),
        pa.field("epoch", pa.float64(), nullable=False),
        pa.field("train_accuracy", pa.float32(), nullable=False),
        pa.field("train_cross_entropy", pa.float32()),
        pa.field("test_accuracy", pa.float32(), nullable=False),
        pa.field("test_cross_entropy", pa.float32()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("diverged_at", pa.int32()),
        pa.field("train_seconds", pa.float32(), nullable=False),
    ]
)
"""One row per run and evaluation. Cross-entropies are means in nats; null once not finite."""


EVIDENCE = pa.schema(
    [
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("preprocessing", pa.string(), nullable=False),
        pa.field("seed", pa.int32(), nullable=False),
        pa.field("label_noise", pa.float64(), nullable=False),
        pa.field("prior_precision", pa.float64(), nullable=False),
        pa.field("train_size", pa.int32(), nullable=False),
        pa.field("test_size", pa.int32(), nullable=False),
        pa.field("n_parameters", pa.int32(), nullable=False),
        pa.field("log_evidence_ratio", pa.float64(), nullable=False),
        pa.field("log_evidence_ratio_per_example", pa.float64(), nullable=False),
        pa.field("cost", pa.float64(), nullable=False),
        pa.field("half_log_determinant", pa.float64(), nullable=False),
        pa.field("train_accuracy", pa.float64(), nullable=False),
        pa.field("test_accuracy", pa.float64(), nullable=False),
        pa.field("train_cross_entropy", pa.float64(), nullable=False),
        pa.field("test_cross_entropy", pa.float64(), nullable=False),
        pa.field("margin", pa.float64(), nullable=False),
        pa.field("weight_norm", pa.float64(), nullable=False),
        pa.field("gradient_norm", pa.float64(), nullable=False),
        pa.field("newton_steps", pa.int32(), nullable=False),
    ]
)
"""One row per seed, label noise and prior precision λ. Evidence and cost in nats (sums)."""


_CLAIM = ("name", "figure", "paper", "measured", "criterion", "verdict", "adjusted_verdict", "unit")


CLAIMS = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=False) for name in (*_CLAIM, "picture", "data")),
        *(pa.field(name, pa.float64()) for name in ("estimate", "low", "high")),
    ]
)
"""One row per claim of the paper, see `claim.Claim`; files relative to the study's folder."""


AGREEMENT = pa.schema(
    [
        pa.field("label_noise", pa.float64(), nullable=False),
        pa.field("n_seeds", pa.int32(), nullable=False),
        *(
            pa.field(name + end, pa.float64())
            for name in ("decades", "rank_correlation")
            for end in ("", "_low", "_high")
        ),
    ]
)
"""One row per label noise of the evidence sweep, see `agreement.evidence_agreement`."""
