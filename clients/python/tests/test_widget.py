"""The widget in templates: what stands in the page, and the token that it asks for, judged by a real server."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.template import Context, Engine, TemplateSyntaxError
from django.test import RequestFactory
from django.test.utils import override_settings
from django.urls import include, path
from websockets.sync.client import connect

from moorline_django.views import widget_token
from server import Moorline

urlpatterns = [path("chat/", include("moorline_django.urls"))]
ENGINE = Engine(libraries={"moorline": "moorline_django.templatetags.moorline"})
ANN = User(pk=41, username="ann", first_name="Ann")


def rendered(source: str, **context: Any) -> str:
    return ENGINE.from_string("{% load moorline %}" + source).render(Context(context))


@pytest.fixture(autouse=True)
def routed() -> Iterator[None]:
    with override_settings(
        ROOT_URLCONF=__name__, MOORLINE={"URL": "http://10.0.0.7:8000", "PUBLIC_URL": "https://chat.example/"}
    ):
        yield


def test_the_tag_writes_the_element_and_the_script_of_the_server() -> None:
    assert rendered("{% moorline_widget 'lobby' %}") == (
        '<script type="module" src="https://chat.example/embed.js"></script>'
        '<moorline-chat server="https://chat.example" room="lobby" token-endpoint="/chat/token/?room=lobby"></moorline-chat>'
    )


def test_attributes_are_passed_on_and_flags_stand_there_or_not() -> None:
    source = (
        "{% moorline_widget room display='floating' theme=theme frame=True open=False lang='' token_endpoint='/mine' %}"
    )
    page = rendered(source, room="ops.7", theme="dark")
    expected = 'room="ops.7" token-endpoint="/mine" display="floating" theme="dark" frame></moorline-chat>'
    assert page.endswith(expected)


def test_nothing_that_is_put_in_gets_out_of_its_attribute() -> None:
    page = rendered("{% moorline_widget 'lobby' theme=evil token_endpoint=evil %}", evil='"><script>alert(1)</script>')
    assert page.count("<script") == 1
    assert 'theme="&quot;&gt;&lt;script&gt;' in page


def test_the_script_stands_once_in_a_page_and_nothing_inline_ever() -> None:
    page = rendered("{% moorline_widget 'a' %}{% for n in 'bc' %}{% moorline_widget n %}{% endfor %}")
    assert (page.count("<script"), page.count("<moorline-chat")) == (1, 3)
    assert "></script>" in page
    again = ENGINE.from_string("{% load moorline %}{% moorline_widget 'a' %}")
    assert [again.render(Context()).count("<script") for _ in range(2)] == [1, 1]


def test_the_nonce_of_the_policy_is_on_the_script_wherever_it_comes_from() -> None:
    for context in ({"csp_nonce": "n0nce"}, {"request": SimpleNamespace(csp_nonce="n0nce")}):
        assert 'embed.js" nonce="n0nce"></script>' in rendered("{% moorline_widget 'a' %}", **context)
    assert "nonce" not in rendered("{% moorline_widget 'a' %}", request=SimpleNamespace())


def test_what_it_does_not_know_is_said_when_the_template_is_read() -> None:
    for source, word in (
        ("{% moorline_widget %}", "needs a room"),
        ("{% moorline_widget 'a' onclick='x' %}", "onclick"),
        ("{% moorline_widget 'a' 'b' %}", "'b'"),
    ):
        with pytest.raises(TemplateSyntaxError, match=word):
            rendered(source)
    with pytest.raises(ValueError, match="room id"):
        rendered("{% moorline_widget 'no such room!' %}")


def test_without_a_route_it_says_which_one_to_add() -> None:
    with override_settings(ROOT_URLCONF=()), pytest.raises(ImproperlyConfigured, match="include"):
        rendered("{% moorline_widget 'a' %}")


def asked(user: Any, query: str = "") -> HttpResponse:
    request = RequestFactory().get(f"/chat/token/{query}")
    request.user = user
    answer: HttpResponse = widget_token(request)
    return answer


def joins(server: Moorline, made: str, room: str) -> str:
    with connect(f"ws://127.0.0.1:{server.port}/ws", open_timeout=10) as socket:
        socket.send(json.dumps({"type": "hello", "token": made}))
        assert json.loads(socket.recv(timeout=10))["user"] == {"id": "41", "name": "Ann"}
        socket.send(json.dumps({"type": "join", "id": 1, "room": room, "cid": "join-1"}))
        while (said := json.loads(socket.recv(timeout=10))).get("id") != 1:
            pass
    return str(said["type"])


def test_the_token_lets_people_join_what_the_project_allows_and_nothing_else(server: Moorline) -> None:
    for room in ("widget.open", "widget.shut"):
        server.room(room, "owner")
    own = server.settings(MAY_JOIN=lambda user, room: user.pk == 41 and room == "widget.open")
    with override_settings(MOORLINE=own):
        tokens = {
            room: json.loads(asked(ANN, f"?room={room}").content)["token"] for room in ("widget.open", "widget.shut")
        }
    assert joins(server, tokens["widget.open"], "widget.open") == "ack"
    assert joins(server, tokens["widget.shut"], "widget.shut") == "error"


def test_nobody_gets_no_token_and_no_form_either(server: Moorline) -> None:
    with override_settings(MOORLINE=server.settings()):
        for nobody in (AnonymousUser(), User(pk=3, is_active=False), None):
            assert asked(nobody).status_code == 401
        assert asked(ANN, "?room=no%20room").status_code == 400
        answer = asked(ANN)
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]


def test_wrong_settings_are_named() -> None:
    for given, word in (({"PUBLIC_URL": "chat.example"}, "PUBLIC_URL"), ({"MAY_JOIN": 7}, "MAY_JOIN")):
        with override_settings(MOORLINE=given), pytest.raises(ImproperlyConfigured, match=word):
            rendered("{% moorline_widget 'a' %}")
