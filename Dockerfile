# One image for the code server, the web server and the daemon (compose.yaml says which is which; docs/deploy.md).
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
COPY requirements-build.lock requirements-postgres.lock ./
RUN python -m venv tools \
    && tools/bin/pip install --no-cache-dir --require-hashes -r requirements-build.lock \
    && python -m venv --without-pip /opt/linkt \
    && tools/bin/pip --python /opt/linkt/bin/python install \
        --no-cache-dir --only-binary :all: --require-hashes -r requirements-postgres.lock
COPY pyproject.toml README.md workspace.yaml ./
COPY data/dagster.yaml data/
COPY sql sql
COPY linkt_pipeline linkt_pipeline
RUN tools/bin/python -m hatchling build -t wheel -d dist \
    && tools/bin/pip --python /opt/linkt/bin/python install --no-cache-dir --no-deps --no-index dist/*.whl

FROM ${PYTHON_IMAGE}
# tini hands SIGTERM to every process of the container (-g): to the code server, and to the runs that it has started.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* \
    && python -m pip uninstall --yes --root-user-action=ignore setuptools wheel pip \
    && useradd --uid 10001 --home-dir /data --shell /usr/sbin/nologin linkt \
    && install --directory --owner=linkt --group=linkt --mode=0700 /data
COPY --from=build /opt/linkt /opt/linkt
COPY deploy/dagster.yaml deploy/workspace.yaml /opt/dagster/
# A code server that is stopped waits 10 s for requests to end, instead of a minute, which is more than a container has.
ENV PATH=/opt/linkt/bin:/usr/local/bin:/usr/bin:/bin \
    DAGSTER_GRPC_SHUTDOWN_GRACE_PERIOD=10 \
    DAGSTER_HOME=/opt/dagster \
    LINKT_DATA_DIR=/data \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /project
USER 10001:10001
EXPOSE 4000
HEALTHCHECK --interval=30s --timeout=20s --start-period=60s \
    CMD ["dagster", "api", "grpc-health-check", "--port", "4000"]
ENTRYPOINT ["tini", "-g", "--"]
CMD ["dagster", "api", "grpc", "--host", "0.0.0.0", "--port", "4000", "--module-name", "linkt_pipeline.definitions", \
    "--location-name", "linkt_pipeline"]
