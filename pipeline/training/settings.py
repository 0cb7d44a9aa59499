"""Settings of the library's trainings, from parameters."""

from pipeline.stage.params import Params
from pipeline.stage.sections import Finetune, Train
from srcnn.training.optim import Optimization
from srcnn.training.settings import Settings


def settings(params: Params, of: Train | Finetune, precision: str) -> Settings:
    """How a stage trains: what its own section does not say is as in section `train`."""
    train = params.train
    return Settings(
        steps=of.steps,
        batch_size=of.batch_size,
        patch_size=of.patch_size,
        augment=train.augment,
        optimization=Optimization(
            optimizer=of.optimizer,
            lr=of.lr,
            muon_lr=of.muon_lr,
            momentum=train.momentum,
            weight_decay=train.weight_decay,
            schedule=train.schedule,
            warmup=of.warmup,
        ),
        precision=precision,
        log_every=train.log_every,
        validate_every=of.validate_every,
        val_pictures=train.val_pictures,
        ema=of.ema if isinstance(of, Finetune) else 0.0,
    )
