# A checkout of the project with its environment: docs/teams.md has the commands.
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}

# No versions, as Debian keeps only the newest of a release.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends git make \
 && rm -rf /var/lib/apt/lists/*

# `dvc exp run` makes a commit, for which git wants an author.
RUN git config --system user.name srcnn && git config --system user.email srcnn@localhost

# The three folders exist, and are the user's, so that a new volume over one is the user's, too.
RUN useradd --create-home --uid 1000 srcnn \
 && install --directory --owner srcnn --group srcnn \
    /project /project/.checkpoints /project/.dvc /project/.dvc/cache /project/mlartifacts
WORKDIR /project
USER 1000

# Dependencies before the code, so that a change of the code does not install them again.
COPY --chown=srcnn:srcnn requirements.txt constraints.txt ./
# Where the two large packages come from instead, for builds without CUDA. They alone, because such
# an index may have other versions of the rest.
ARG TORCH_INDEX=
RUN python3 -m venv .venv \
 && if [ -n "$TORCH_INDEX" ]; then \
      grep -E '^torch(vision)?==' requirements.txt > /tmp/torch.txt \
      && .venv/bin/pip install --no-cache-dir --no-deps --index-url "$TORCH_INDEX" \
         --requirement /tmp/torch.txt; \
    fi \
 && .venv/bin/pip install --no-cache-dir --requirement requirements.txt --constraint constraints.txt

COPY --chown=srcnn:srcnn . .
# The file tells make that there is nothing to set up.
RUN .venv/bin/pip install --no-cache-dir --no-deps --editable . && touch .venv/ready

# MLflow's database beside its artifacts, so that one volume holds both.
ENV PATH=/project/.venv/bin:$PATH \
    MLFLOW_TRACKING_URI=sqlite:////project/mlartifacts/mlflow.db
CMD ["make", "repro"]
