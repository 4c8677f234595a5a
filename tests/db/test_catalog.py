"""The catalog: its file, its dated prices, the operator's switches."""

import pytest
from cln.catalog import queries
from cln.catalog.services import load_catalog

pytestmark = pytest.mark.django_db


def test_loading_the_catalog_twice_adds_nothing_the_second_time():
    first = load_catalog()
    assert (first.products, first.license_types, first.surcharge_rates) == (5, 29, 3)
    assert load_catalog() == type(first)(0, 0, 0, 0)
