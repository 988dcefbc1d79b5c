# The bot in a container: built in one stage, run in another without tools, as nobody in particular.
#
#   docker build -t tokenwatch .
#   docker run -d --name tokenwatch --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
#     -v tokenwatch:/data --env-file .env -p 3000:3000 tokenwatch

FROM python:3.13-slim-bookworm AS build
WORKDIR /app
COPY requirements.txt ./
RUN python -m venv /opt/tokenwatch \
 && /opt/tokenwatch/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt
COPY bot ./bot
COPY handlers ./handlers
COPY storage ./storage
# The root is read-only later on: compile now.
RUN /opt/tokenwatch/bin/python -m compileall -q bot handlers storage

FROM python:3.13-slim-bookworm
# What lies here outlives the container: mount a volume on it.
RUN groupadd --system --gid 10001 tokenwatch \
 && useradd --system --uid 10001 --gid 10001 --home-dir /data --shell /usr/sbin/nologin tokenwatch \
 && install -d -o tokenwatch -g tokenwatch -m 0700 /data
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DATABASE_URL=sqlite:////data/tokenwatch.db \
    LOG_FORMAT=json
WORKDIR /app
COPY --from=build /opt/tokenwatch /opt/tokenwatch
COPY --from=build /app /app
USER 10001:10001
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s --retries=3 \
  CMD ["/opt/tokenwatch/bin/python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('PORT', '3000') + '/healthz', timeout=8)"]
ENTRYPOINT ["/opt/tokenwatch/bin/python", "-m", "bot"]
CMD ["serve"]
