FROM python:3.13-slim
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --system --create-home --uid 10001 guardian
WORKDIR /srv/guardian
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
RUN python manage.py collectstatic --noinput
USER guardian
EXPOSE 8000
CMD ["gunicorn", "moderation.wsgi", "--bind", "0.0.0.0:8000", "--worker-class", "gthread", "--threads", "16"]
