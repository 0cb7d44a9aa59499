#!/bin/bash
#SBATCH --array=0-3 --cpus-per-task=2 --requeue --open-mode=append
set -euo pipefail
weights=(0 0.001 0.003 0.01)
weight=${weights[$SLURM_ARRAY_TASK_ID]}
clone=$SCRATCH/$SLURM_ARRAY_JOB_ID-$SLURM_ARRAY_TASK_ID
if [ ! -d "$clone" ]; then
  rm -rf "$clone.part"
  git clone --quiet "$PROJECT" "$clone.part"
  mv "$clone.part" "$clone"
fi
cd "$clone"
dvc remote add --quiet --force --local --default shared "$REMOTE"
dvc exp run --pull -n "vgg-$weight" -S loss.perceptual_weight="$weight"
dvc exp push --quiet --force --run-cache origin "vgg-$weight"
rm -rf "$clone"
