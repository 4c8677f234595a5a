"""`{% url %}` by the short way says what Django's own says."""

from __future__ import annotations

import pytest
from django.template import engines
from django.template.defaulttags import url as django_url
from django.urls import NoReverseMatch, clear_script_prefix, reverse, set_script_prefix

from cln.console.templatetags import linking


def written(source: str, **values: object) -> str:
    return engines["django"].from_string(source).render(dict(values))


@pytest.mark.parametrize(
    ("route", "value"),
    [
        ("key", "key_0VFXMoKQHr2lu0AgB8Mh"),
        ("key", "with/slash"),
        ("key", "ü&<"),
        ("key", 7),
        ("group", 7),
        ("group", "7"),
    ],
)
def test_an_address_with_a_value_is_the_one_of_django(route: str, value: object) -> None:
    expected: object
    try:
        expected = reverse(route, args=[value])
    except NoReverseMatch:
        expected = NoReverseMatch
    for _ in range(2):
        try:
            said: object = written(f"{{% url '{route}' value %}}", value=value)
        except NoReverseMatch:
            said = NoReverseMatch
        assert said == expected


def test_an_address_follows_the_prefix_under_which_the_console_is_served() -> None:
    assert written("{% url 'dashboard' %}") == "/console/dashboard"
    set_script_prefix("/licenses/")
    try:
        assert written("{% url 'dashboard' %}") == "/licenses/console/dashboard"
        assert written("{% url 'group' 7 %}") == "/licenses/console/groups/7"
    finally:
        clear_script_prefix()
    assert written("{% url 'group' 7 %}") == "/console/groups/7"


def test_a_route_that_is_not_there_is_an_error_and_a_name_may_keep_what_is() -> None:
    with pytest.raises(NoReverseMatch):
        written("{% url 'no_such_page' %}")
    assert written("{% url 'no_such_page' as there %}[{{ there }}]") == "[]"
    assert written("{% url 'search' as there %}{{ there }}") == reverse("search")
    assert linking.url is not django_url
