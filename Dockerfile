# Two images, `--target api` and `--target worker`, that differ in their command only. Everything comes as wheels with
# known hashes, so nothing is compiled and no package of the system is installed.

# The oldest Python that Muster supports: the one that the tests run on.
FROM python:3.11.16-slim-trixie AS base
WORKDIR /muster
ENV PYTHONUNBUFFERED=1 \
    MUSTER_DATA_DIR=/muster/data

COPY requirements-runtime.lock ./
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --disable-pip-version-check --root-user-action=ignore --no-input \
        --only-binary=:all: --require-hashes -r requirements-runtime.lock

COPY settings.py worker.py ./
COPY deploy/health.py deploy/
COPY activities activities
COPY api api
COPY engine engine
COPY fleet fleet
COPY missions missions
COPY muster muster
COPY outlets outlets
COPY store store
COPY workflows workflows
# The user below cannot write here, so the byte code is made now.
RUN python -m compileall -q .

# Only `data` is the process's own to write; a new volume mounted there takes over its owner.
RUN useradd --uid 10001 --create-home muster && mkdir data && chown muster:muster data
USER 10001

FROM base AS worker
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 CMD ["python", "deploy/health.py", "worker"]
CMD ["python", "-m", "worker"]

FROM base AS api
ENV MUSTER_API_HOST=0.0.0.0
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "deploy/health.py", "api"]
CMD ["python", "-m", "api"]
