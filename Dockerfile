# One image for the service and for every node of its Ray cluster: workers import the same code.

FROM python:3.11-slim AS build
# Options of pip for torch alone, such as the address of an index with CPU builds.
ARG TORCH_OPTIONS=""
WORKDIR /src
RUN python -m venv /opt/cuvee
COPY constraints.txt ./
RUN /opt/cuvee/bin/pip install --no-cache-dir -c constraints.txt ${TORCH_OPTIONS} torch
COPY . .
RUN /opt/cuvee/bin/pip install --no-cache-dir -c constraints.txt '.[gguf]'

FROM python:3.11-slim
# g++ compiles the merging loops once; without it they run, slower. KubeRay's probes need wget, and
# its login shells, which set a PATH of their own, have to find ray.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ wget \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home cuvee \
    && ln -s /opt/cuvee/bin/ray /usr/local/bin/ray \
    && mkdir /data /models \
    && chown cuvee:cuvee /data
COPY --from=build /opt/cuvee /opt/cuvee
COPY --chmod=755 deploy/serve.sh /usr/local/bin/cuvee-serve
COPY --chmod=755 deploy/entrypoint.sh /usr/local/bin/cuvee-entrypoint
ENV PATH=/opt/cuvee/bin:$PATH \
    CUVEE_DATA_DIR=/data \
    CUVEE_MODELS_DIR=/models \
    OMP_NUM_THREADS=1 \
    RAY_USAGE_STATS_ENABLED=0 \
    TOKENIZERS_PARALLELISM=false
USER cuvee
WORKDIR /home/cuvee
VOLUME ["/data"]
EXPOSE 8642
ENTRYPOINT ["cuvee-entrypoint"]
CMD ["cuvee-serve"]
