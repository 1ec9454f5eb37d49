# One image for the four programs: `whyslow collector | edge | agent | …`.
# Written to Docker's documentation; not built here (see docs/deployment.md).
FROM node:20-bookworm-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 make g++ \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/whyslow
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund

FROM node:20-bookworm-slim
# BROWSER=1 adds Chromium, which page-load probes need; collector and edge do without.
ARG BROWSER=0
RUN if [ "$BROWSER" = 1 ]; then \
      apt-get update && apt-get install -y --no-install-recommends chromium && rm -rf /var/lib/apt/lists/*; \
    fi
WORKDIR /opt/whyslow
COPY --from=build /opt/whyslow/node_modules node_modules
COPY package.json ./
COPY bin bin
COPY contract contract
COPY runtime runtime
COPY probes probes
COPY agent agent
COPY edge edge
COPY collector collector
COPY cli cli
COPY examples examples
RUN ln -s /opt/whyslow/bin/whyslow.mjs /usr/local/bin/whyslow \
 && mkdir /var/lib/whyslow && chown node:node /var/lib/whyslow
USER node
ENV NODE_ENV=production
ENTRYPOINT ["whyslow"]
