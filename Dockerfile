# deftclean on a CPU, with all commands. For gates alone see docs/ci.md.
#   docker build -t deftclean .
#   docker run --rm -v "$PWD":/work deftclean check clean.parquet --fail-on "noise_rate>0.05"
FROM python:3.12-slim

# Wheels without CUDA: a tenth of the size.
RUN pip install --no-cache-dir torch torchvision --index-url https://download.pytorch.org/whl/cpu

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY deftclean deftclean
RUN pip install --no-cache-dir .

# The user's own files are written as the user that docker is told of (--user).
ENV DEFTCLEAN_CACHE_DIR=/tmp/deftclean
WORKDIR /work
ENTRYPOINT ["deftclean"]
CMD ["--help"]
