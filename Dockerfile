FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json tsconfig.json ./
# Not `npm ci`: the lock file names the optional binaries of one platform only.
RUN npm install --ignore-scripts
COPY indexer indexer
COPY abis abis
COPY migrations migrations
COPY config config
RUN npm run build && npm prune --omit=dev --omit=peer --omit=optional --ignore-scripts

FROM node:24-bookworm-slim
WORKDIR /app
ENV NODE_ENV=production HTTP_HOST=0.0.0.0 HTTP_PORT=8080
COPY --from=build /app/package.json ./
# Only the libraries that are not bundled into `dist`.
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
USER node
EXPOSE 8080
STOPSIGNAL SIGTERM
# For the daemon, and for a worker whose `--http-port` is HTTP_PORT. Turn it off for other commands (`--no-healthcheck`).
HEALTHCHECK --start-period=60s --interval=15s --timeout=5s CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.HTTP_PORT}/health`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# Without a shell in between, so that signals reach the program.
ENTRYPOINT ["node", "dist/indexer/bin.js"]
CMD ["start", "--migrate"]
