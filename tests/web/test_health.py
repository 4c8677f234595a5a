"""What monitors and load balancers ask."""

import pytest
from django.db import connection
from django.test import Client


@pytest.mark.django_db
def test_the_service_is_ready_when_the_database_answers_and_is_migrated(client: Client) -> None:
    response = client.get("/readyz")

    assert (response.status_code, response.json()) == (200, {"status": "ready"})


@pytest.mark.django_db
def test_the_service_is_not_ready_while_a_migration_is_missing(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'clock'")

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json() == {"status": "unready", "reason": "migrations missing"}


@pytest.mark.django_db
def test_the_service_is_not_ready_when_the_database_is_down(client: Client) -> None:
    host = connection.settings_dict["HOST"]
    connection.close()
    connection.settings_dict["HOST"] = "/nonexistent"
    try:
        response = client.get("/readyz")
    finally:
        connection.settings_dict["HOST"] = host

    assert response.status_code == 503
    assert response.json() == {"status": "unready", "reason": "database unreachable"}


def test_the_process_is_alive_whatever_the_database_does(client: Client) -> None:
    response = client.get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "alive"})
