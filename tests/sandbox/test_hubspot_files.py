"""Does the sandbox keep, serve, guard and delete files as HubSpot's Files API does?"""

from __future__ import annotations

import hashlib
import io
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from migrate.sandbox.contents import Contents
from migrate.sandbox.control import ControlError
from migrate.sandbox.parts import SMALL, Reader
from migrate.sandbox.server import Running, launch
from tests.sandbox.hubspot_files import TOKEN, V3, Files, png
from tests.sandbox.test_framework import eventually

DATED = "/files/2026-03"
DAY = 86_400
NARROW = {
    "reads": ["files.read"],
    "writes": ["files.write"],
    "deletes": ["files.delete"],
    "files": ["files"],
    "hidden": ["files.ui_hidden.read"],
    "notes": ["crm.objects.contacts.read", "crm.objects.contacts.write"],
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = {"burst": 100_000, "file_task_delay": [0, 0]}
    with launch("hubspot", tmp_path_factory.mktemp("hubspot"), settings=settings) as one:
        tokens = [{"token": TOKEN}, *({"token": name, "scopes": scopes} for name, scopes in NARROW.items())]
        one.control.post("/seed", {"tokens": tokens})
        one.control.post("/save", {"to": str(one.data / "fresh.db")})
        yield one


@pytest.fixture
def files(running: Running) -> Iterator[Files]:
    """A portal without files."""
    running.control.delete("/faults")
    running.control.post("/restore", {"from": str(running.data / "fresh.db")})
    before = running.control.get("/settings")
    with Files(running) as files:
        yield files
    running.control.post("/settings", before)
    assert running.control.get("/held") == []
    assert running.control.get("/health")["failures"] == []


# --- uploads --------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", [V3, DATED, "/files/2026-09"])
def test_a_file_is_told_as_hubspot_tells_it(files: Files, base: str) -> None:
    content = png(31, 17)
    made = files.made("Cät 1.png", content, folder="/library/cats", base=base)
    assert made == files.good("GET", f"{base}/files/{made['id']}")
    assert {name: made[name] for name in ("name", "extension", "path", "type", "encoding", "size")} == {
        "name": "Cät 1",
        "extension": "png",
        "path": "/library/cats/Cät 1.png",
        "type": "IMG",
        "encoding": "png",
        "size": len(content),
    }
    assert (made["width"], made["height"]) == (31, 17)
    assert (made["access"], made["archived"], made["isUsableInContent"]) == ("PRIVATE", False, True)
    assert made["fileMd5"] == hashlib.md5(content, usedforsecurity=False).hexdigest()
    assert made["url"] == f"{files.running.url}/hubfs/4471203/library/cats/C%C3%A4t%201.png"
    assert "expiresAt" not in made
    truth = files.truth()[made["id"]]
    assert truth["sha256"] == hashlib.sha256(content).hexdigest()
    assert (truth["source"], truth["sourceId"]) == ("INTEGRATION", "7001")
    assert files.good("GET", f"{base}/folders/{made['parentFolderId']}")["path"] == "/library/cats"


def test_texts_tell_their_character_set_and_other_files_none(files: Files) -> None:
    assert files.made("a.txt", "é".encode())["encoding"] == "utf-8"
    assert files.made("b.csv", "é".encode("latin-1"))["encoding"] == "iso-8859-1"
    assert files.made("c.txt", b"x", fields={"charsetHunch": "UTF-16"})["encoding"] == "utf-16"
    for name, sort in (("d.pdf", "DOCUMENT"), ("e.mp3", "AUDIO"), ("f.mov", "MOVIE"), ("g.zip", "OTHER")):
        made = files.made(name, b"x")
        assert (made["type"], "encoding" in made) == (sort, False)


@pytest.mark.parametrize(
    ("folder", "fields", "options", "words"),
    [
        (None, {}, {}, "Either folderId or folderPath is required"),
        ("/in", {"folderId": "171000000003"}, {}, "Only one of folderId and folderPath"),
        ("/in", {"options": ""}, {}, "options parameter is required"),
        ("/in", {"options": "{"}, {}, "Invalid input JSON"),
        ("/in", {"options": "[]"}, {}, "Invalid input JSON"),
        ("/in", {"options": "{}"}, {}, r"not set: \[access\]"),
        ("/in", {}, {"access": "SECRET"}, "accepted for Enum class"),
        ("/in", {}, {"access": "HIDDEN_PRIVATE"}, "can't be hidden"),
        ("/in", {}, {"duplicateValidationStrategy": "MERGE"}, "accepted for Enum class"),
        ("/in", {}, {"ttl": "PT23H"}, "at least 1 day"),
        ("/in", {}, {"ttl": "P2Y"}, "at most 1 year"),
        ("/in", {}, {"ttl": "P"}, "not a valid period"),
        ("/in", {"fileName": "a/b.txt"}, {}, "characters that names can't have"),
        ("/in", {"fileName": "x" * 300}, {}, "more than 255"),
    ],
)
def test_an_upload_that_is_wanted_wrongly_leaves_nothing(
    files: Files, folder: str | None, fields: dict[str, str], options: dict[str, Any], words: str
) -> None:
    reply = files.upload(folder=folder, fields=fields, **options)
    body = orjson.loads(reply.content)
    assert (reply.status_code, body["status"], body["category"]) == (400, "error", "VALIDATION_ERROR")
    assert re.search(words, body["message"]), body["message"]
    assert body["correlationId"] == reply.headers["X-HubSpot-Correlation-Id"]
    assert (files.truth(), files.truth("folders")) == ({}, {})
    eventually(lambda: files.contents() == [])


def test_what_is_no_multipart_body_is_refused(files: Files) -> None:
    assert files.ask("POST", f"{V3}/files", json={}).status_code == 415
    broken = {"content-type": "multipart/form-data; boundary=x"}
    for body in (
        b"",
        b"no parts",
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nab',
    ):
        reply = files.ask("POST", f"{V3}/files", content=body, headers=broken)
        assert reply.status_code == 400, body
    assert files.ask("POST", f"{V3}/files", data={"folderPath": "/"}, files={"x": b""}).status_code == 400
    two = [("file", ("a", b"1")), ("file", ("b", b"2"))]
    assert "one file" in files.ask("POST", f"{V3}/files", files=two).text
    eventually(lambda: files.contents() == [])


def test_a_name_comes_from_the_request_else_from_the_file(files: Files) -> None:
    assert files.made("own.txt")["name"] == "own"
    named = files.made("own.pdf", fields={"fileName": "Wanted"})
    assert (named["name"], named["extension"]) == ("Wanted", "pdf")
    assert files.made("own.tar.gz")["path"] == "/in/own.tar.gz"
    assert files.made("no-extension")["path"] == "/in/no-extension"
    plain = files.made("v1.2 final")
    assert (plain["name"], plain["extension"]) == ("v1.2 final", "")
    assert files.good("GET", f"{V3}/files/stat/in/v1.2%20final")["file"]["id"] == plain["id"]
    assert files.made("x.pdf", fields={"fileName": "v1.2 final"})["path"] == "/in/v1.2 final.pdf"


def test_a_taken_name_gets_a_number_or_the_old_file_goes(files: Files) -> None:
    first = files.made("a.txt", b"1")
    second = files.made("a.txt", b"2")
    assert [each["path"] for each in (first, second)] == ["/in/a.txt", "/in/a-1.txt"]
    third = files.made("a.txt", b"3", overwrite=True)
    assert third["path"] == "/in/a.txt"
    assert third["id"] != first["id"]
    assert files.truth()[first["id"]]["archived"]


def test_duplicates_are_told_by_their_content(files: Files) -> None:
    first = files.made("a.txt", b"same", folder="/one")
    again: dict[str, Any] = {"duplicateValidationStrategy": "RETURN_EXISTING"}
    assert files.made("b.txt", b"same", folder="/two", **again)["id"] == first["id"]
    here = again | {"duplicateValidationScope": "EXACT_FOLDER"}
    assert files.made("b.txt", b"same", folder="/two", **here)["id"] != first["id"]
    reply = files.upload("c.txt", b"same", duplicateValidationStrategy="REJECT")
    assert (reply.status_code, orjson.loads(reply.content)["category"]) == (409, "OBJECT_ALREADY_EXISTS")
    assert files.made("c.txt", b"same", duplicateValidationStrategy="NONE")["id"] != first["id"]
    files.control.post("/settings", {"file_duplicate_by": "content_and_name"})
    assert files.made("d.txt", b"same", **again)["name"] == "d"


def test_a_tier_limits_how_large_a_file_may_be(files: Files) -> None:
    files.control.post("/settings", {"tier": "free"})
    assert files.upload(content=b"x" * 20_000_001).status_code == 413
    assert files.upload(content=b"x" * 20_000_000).status_code == 201
    files.control.post("/settings", {"file_size_limit": 3})
    assert files.upload(content=b"four").status_code == 413
    files.control.post("/settings", {"file_size_limit": None, "file_extensions": ["pdf"]})
    assert files.upload("a.exe").status_code == 400
    assert files.upload("a.PDF").status_code == 201


def peak(running: Running) -> int:
    """The most memory that the sandbox has had, in bytes."""
    text = Path(f"/proc/{running.pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+)", text)[0]) * 1024


def test_a_hundred_megabytes_pass_without_being_held_in_memory(files: Files, tmp_path: Path) -> None:
    piece, count = bytes(range(256)) * 4096, 100
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        for _ in range(count):
            file.write(piece)
    digest = hashlib.sha256(piece * count).hexdigest()
    before = peak(files.running)
    with large.open("rb") as file:
        made = files.made("large.bin", file)
    assert files.truth()[made["id"]]["sha256"] == digest
    got = hashlib.sha256()
    with files.client.stream(
        "GET", f"{V3}/files/{made['id']}/download", headers={"authorization": f"Bearer {TOKEN}"}
    ) as reply:
        for each in reply.iter_bytes():
            got.update(each)
    assert got.hexdigest() == digest
    assert peak(files.running) - before < 30_000_000
    last = files.control.ndjson("/requests")[-1]
    assert last["bytes"] == count * len(piece)


# --- reading and searching ------------------------------------------------------------------------


def test_a_reply_has_only_the_properties_that_were_asked_for(files: Files) -> None:
    made = files.made()
    told = files.good("GET", f"{V3}/files/{made['id']}?properties=name,size&properties=nope")
    assert told.keys() == {"id", "createdAt", "updatedAt", "archived", "access", "name", "size"}


def test_a_path_leads_to_a_file_or_a_folder(files: Files) -> None:
    made = files.made("a b.txt", folder="/x/y")
    for path in ("x/y/a%20b.txt", "/x%2Fy%2Fa%20b.txt", "%2Fx%2Fy%2Fa%20b.txt"):
        assert files.good("GET", f"{V3}/files/stat/{path}")["file"]["id"] == made["id"]
    assert files.good("GET", f"{DATED}/files/stat/x/y")["folder"]["id"] == made["parentFolderId"]
    reply = files.ask("GET", f"{V3}/files/stat/x/z")
    assert (reply.status_code, orjson.loads(reply.content)["category"]) == (404, "OBJECT_NOT_FOUND")


def found(files: Files, query: str) -> list[str]:
    return [row["name"] for row in files.good("GET", f"{V3}/files/search?{query}")["results"]]


def test_a_search_filters_by_whatever_a_file_has(files: Files) -> None:
    small = files.made("Small.txt", b"1", access="PUBLIC_INDEXABLE")
    large = files.made("large.png", png(300, 200), folder="/other", ttl="P30D")
    files.made("gone.txt", b"3")
    gone = found(files, "name=gone")
    assert gone == ["gone"]
    files.good("PATCH", f"{V3}/files/{small['id']}", json={"isUsableInContent": False})
    files.good(
        "DELETE", f"{V3}/files/{files.good('GET', f'{V3}/files/search?name=gone')['results'][0]['id']}"
    )
    for query, names in {
        "": ["Small", "large"],
        "name=SMA": ["Small"],
        "path=/other/large.png": ["large"],
        f"parentFolderIds={small['parentFolderId']}": ["Small"],
        f"ids={large['id']},{small['id']}": ["Small", "large"],
        f"idGte={large['id']}": ["large"],
        f"idLte={small['id']}": ["Small"],
        "extension=png": ["large"],
        "type=DOCUMENT": ["Small"],
        "encoding=utf-8": ["Small"],
        "size=1": ["Small"],
        "sizeGte=2": ["large"],
        "heightGte=100&widthLte=300": ["large"],
        "height=199": [],
        "isUsableInContent=false": ["Small"],
        "allowsAnonymousAccess=true": ["Small"],
        "allowsAnonymousAccess=false": ["large"],
        f"fileMd5={small['fileMd5']}": ["Small"],
        f"url={small['url']}": ["Small"],
        f"createdAt={large['createdAt']}": ["large"],
        f"createdAtLte={small['createdAt']}": ["Small"],
        "updatedAtGte=2100-01-01T00:00:00Z": [],
        f"expiresAt={large['expiresAt']}": ["large"],
        "expiresAtLte=2100-01-01T00:00:00.000Z": ["large"],
        "sort=size": ["Small", "large"],
        "sort=-size": ["large", "Small"],
    }.items():
        assert found(files, query) == names, query
    for bad in ("size=x", "createdAtGte=soon", "limit=101", "limit=0", "after=10001", "after=-1"):
        assert files.ask("GET", f"{V3}/files/search?{bad}").status_code == 400, bad


def test_a_search_has_pages_there_and_back(files: Files) -> None:
    for number in range(12):
        files.made(f"{number:02}.txt", b"%d" % number)
    first = files.good("GET", f"{V3}/files/search")
    assert (len(first["results"]), first["paging"]["next"]["after"]) == (10, "10")
    second = files.good("GET", first["paging"]["next"]["link"].removeprefix(files.running.url))
    assert [row["name"] for row in second["results"]] == ["10", "11"]
    assert second["paging"].keys() == {"prev"}
    back = files.good("GET", second["paging"]["prev"]["link"].removeprefix(files.running.url))
    assert back["results"] == first["results"]


# --- access ---------------------------------------------------------------------------------------


def test_a_public_file_is_served_to_anybody(files: Files) -> None:
    for access, robots in (("PUBLIC_INDEXABLE", None), ("PUBLIC_NOT_INDEXABLE", "noindex")):
        reply = files.anonymous(files.made("a.pdf", b"public", access=access)["url"])
        assert (reply.status_code, reply.content) == (200, b"public")
        assert reply.headers["content-type"] == "application/pdf"
        assert reply.headers.get("X-Robots-Tag") == robots
    page = files.made("page.html", b"<b>", access="PUBLIC_INDEXABLE")
    assert files.anonymous(page["url"]).headers["content-type"] == "text/plain"
    assert files.anonymous(f"{page['url']}x").status_code == 404


@pytest.mark.parametrize("access", ["PRIVATE", "SENSITIVE"])
def test_a_private_file_is_served_only_at_a_signed_url_that_expires(files: Files, access: str) -> None:
    made = files.made("secret.pdf", b"secret", access=access)
    assert files.anonymous(made["url"]).status_code == 404
    signed = files.good("GET", f"{V3}/files/{made['id']}/signed-url?expirationSeconds=60")
    assert (signed["name"], signed["extension"], signed["size"]) == ("secret", "pdf", 6)
    assert files.anonymous(signed["url"]).content == b"secret"
    for forged in (
        signed["url"].replace("Expires=", "Expires=9"),
        signed["url"][:-1] + ("0" if signed["url"][-1] != "0" else "1"),
        signed["url"].partition("?")[0],
    ):
        assert files.anonymous(forged).status_code == 403, forged
    files.pass_time(61)
    expired = files.anonymous(signed["url"])
    assert (expired.status_code, "expired" in expired.text) == (403, True)
    later = files.good("GET", f"{DATED}/files/{made['id']}/signed-url")
    files.pass_time(4 * 3600 - 60)
    assert files.anonymous(later["url"]).status_code == 200
    files.good("DELETE", f"{V3}/files/{made['id']}")
    assert files.anonymous(later["url"]).status_code == 404


def test_a_picture_can_be_signed_in_a_size_that_there_is(files: Files) -> None:
    id = files.made("a.png", png(40, 30))["id"]
    signed = files.good("GET", f"{V3}/files/{id}/signed-url?size=thumb&upscale=true")
    assert (signed["width"], signed["height"], signed["type"]) == (40, 30, "IMG")
    assert files.ask("GET", f"{V3}/files/{id}/signed-url?size=huge").status_code == 400


def test_a_download_needs_the_token_and_comes_under_the_files_name(files: Files) -> None:
    made = files.made("Grüße.pdf", b"hello")
    for base in (V3, DATED):
        reply = files.ask("GET", f"{base}/files/{made['id']}/download")
        assert reply.content == b"hello"
        assert "filename*=UTF-8''Gr%C3%BC%C3%9Fe.pdf" in reply.headers["content-disposition"]
    assert files.ask("GET", f"{V3}/files/{made['id']}/download", token=None).status_code == 401


@pytest.mark.parametrize(
    ("asked", "status", "got"),
    [("bytes=2-4", 206, b"234"), ("bytes=7-", 206, b"789"), ("bytes=-2", 206, b"89"),
     ("bytes=0-99", 206, b"0123456789"), ("bytes=10-", 416, b""), ("lines=1-2", 200, b"0123456789")],
)  # fmt: skip
def test_a_part_of_a_file_can_be_fetched(files: Files, asked: str, status: int, got: bytes) -> None:
    url = files.made(content=b"0123456789", access="PUBLIC_INDEXABLE")["url"]
    reply = files.anonymous(url, range=asked)
    assert (reply.status_code, reply.content) == (status, got)


def test_hidden_files_come_from_people_and_need_their_scope(files: Files) -> None:
    fields = {"name": "scan.pdf", "access": "HIDDEN_PRIVATE", "text": "attached"}
    made = files.control.post("/act", {"as": "kim", "do": "create", "object": "files", "fields": fields})
    assert files.good("GET", f"{V3}/files/{made['id']}", token="hidden")["access"] == "HIDDEN_PRIVATE"
    assert files.good("GET", f"{V3}/files/search")["results"] == []
    for path in ("", "/signed-url", "/download"):
        assert files.ask("GET", f"{V3}/files/{made['id']}{path}", token="files").status_code == 404
    assert files.ask("GET", f"{V3}/files/{made['id']}/download").content == b"attached"


def test_each_work_needs_its_scope(files: Files) -> None:
    id = files.made()["id"]
    for method, path, tokens in (
        ("GET", f"/files/{id}", {"reads", "files", "hidden"}),
        ("GET", "/files/search", {"reads", "files", "hidden"}),
        ("GET", f"/files/{id}/signed-url", {"reads", "files", "hidden"}),
        ("PATCH", f"/files/{id}", {"writes", "files"}),
        ("POST", "/folders", {"writes", "files"}),
        ("DELETE", "/files/1", {"deletes", "files"}),
    ):
        for token in NARROW:
            more: dict[str, Any] = {"json": {}} if method in ("PATCH", "POST") else {}
            reply = files.ask(method, V3 + path, token=token, **more)
            assert (reply.status_code != 403) == (token in tokens), (method, path, token)
            if reply.status_code == 403:
                body = orjson.loads(reply.content)
                assert body["category"] == "MISSING_SCOPES"
                assert body["errors"][0]["context"]["requiredGranularScopes"] == ["files"]
    assert files.upload(token="reads").status_code == 403
    assert files.upload(token="writes").status_code == 201
    assert files.upload(token="unknown").status_code == 401


# --- changes and deletion -------------------------------------------------------------------------


def test_a_replaced_file_keeps_its_id_and_url(files: Files) -> None:
    made = files.made("a.txt", b"old", access="PUBLIC_INDEXABLE")
    assert files.replace(made["id"], b"new one", access="PUBLIC_INDEXABLE").status_code == 200
    told = files.good("GET", f"{V3}/files/{made['id']}")
    assert (told["name"], told["url"], told["size"]) == ("a", made["url"], 7)
    assert told["fileMd5"] != made["fileMd5"]
    assert files.anonymous(made["url"]).content == b"new one"
    eventually(lambda: len(files.contents()) == 1)
    assert files.replace("1", b"x").status_code == 404
    assert "options" in files.ask("PUT", f"{V3}/files/{made['id']}", files={"file": b"x"}).text


def test_a_file_is_renamed_moved_and_restricted(files: Files) -> None:
    made = files.made("a.txt", access="PUBLIC_INDEXABLE")
    other = files.made("b.txt", folder="/out")
    body = {"name": "c", "parentFolderPath": "/out", "access": "PRIVATE", "isUsableInContent": False}
    told = files.good("PATCH", f"{DATED}/files/{made['id']}", json=body)
    assert (told["path"], told["access"], told["isUsableInContent"]) == ("/out/c.txt", "PRIVATE", False)
    assert files.anonymous(made["url"]).status_code == 404
    for name in ("v1.2", "v1.2.TXT"):
        assert files.good("PATCH", f"{V3}/files/{made['id']}", json={"name": name})["name"] == "v1.2"
    for bad, status in (
        ({"name": "b"}, 409),
        ({"name": "a/b"}, 400),
        ({"parentFolderId": "1"}, 404),
        ({"parentFolderId": other["parentFolderId"], "parentFolderPath": "/x"}, 400),
        ({"access": "HIDDEN_PRIVATE"}, 400),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, 400),
    ):
        assert files.ask("PATCH", f"{V3}/files/{made['id']}", json=bad).status_code == status, bad


def test_a_deleted_file_lies_in_the_trash_until_a_person_restores_it(files: Files) -> None:
    made = files.made("a.txt", b"1", access="PUBLIC_INDEXABLE")
    assert files.ask("DELETE", f"{V3}/files/{made['id']}").status_code == 204
    assert files.ask("GET", f"{V3}/files/{made['id']}").status_code == 404
    assert files.ask("DELETE", f"{V3}/files/{made['id']}").status_code == 404
    assert files.anonymous(made["url"]).status_code == 404
    assert files.truth()[made["id"]]["archivedAt"]
    taken = files.made("a.txt", b"2")
    assert taken["path"] == made["path"]
    act = {"as": "kim", "do": "undelete", "object": "files", "id": int(made["id"])}
    assert files.control.post("/act", act)["path"] == "/in/a-1.txt"
    assert files.ask("GET", f"{V3}/files/{made['id']}/download").content == b"1"
    files.control.post("/settings", {"file_delete_missing": 204})
    assert files.ask("DELETE", f"{V3}/files/1").status_code == 204


def test_the_trash_keeps_a_file_for_thirty_days(files: Files) -> None:
    gone, back = files.made(content=b"1"), files.made(content=b"2")
    act = {"as": "kim", "do": "undelete", "object": "files"}
    for id in (gone["id"], back["id"]):
        files.good("DELETE", f"{V3}/files/{id}")
    files.pass_time(29 * DAY)
    files.control.post("/act", act | {"id": int(back["id"])})
    files.pass_time(DAY + 1)
    assert {id: row["purged"] for id, row in files.truth().items()} == {gone["id"]: True, back["id"]: False}
    with pytest.raises(ControlError):
        files.control.post("/act", act | {"id": int(gone["id"])})
    assert [path.read_bytes() for path in files.contents()] == [b"2"]


def test_a_gdpr_deletion_takes_the_bytes_too_unless_another_file_has_them(files: Files) -> None:
    one, other = files.made("a.txt", b"same"), files.made("b.txt", b"same")
    assert files.ask("DELETE", f"{V3}/files/{one['id']}").status_code == 204
    assert files.ask("DELETE", f"{V3}/files/{one['id']}/gdpr-delete").status_code == 204
    assert files.truth()[one["id"]]["purged"]
    assert files.ask("GET", f"{V3}/files/{other['id']}/download").content == b"same"
    assert files.ask("DELETE", f"{DATED}/files/{other['id']}/gdpr-delete").status_code == 204
    eventually(lambda: files.contents() == [])
    assert files.ask("DELETE", f"{V3}/files/{other['id']}/gdpr-delete").status_code == 404


def test_a_file_with_a_time_to_live_is_gone_for_good_after_it(files: Files) -> None:
    made = files.made(ttl="P2D")
    kept = files.made(ttl="P2D")
    files.good("PATCH", f"{V3}/files/{kept['id']}", json={"clearExpires": True})
    longer = files.made(ttl="P1W")
    files.pass_time(2 * DAY + 1)
    assert files.ask("GET", f"{V3}/files/{made['id']}").status_code == 404
    assert files.truth()[made["id"]]["purged"]
    assert "expiresAt" not in files.good("GET", f"{V3}/files/{kept['id']}")
    assert files.good("GET", f"{V3}/files/{longer['id']}")["expiresAt"] == longer["expiresAt"]


# --- folders --------------------------------------------------------------------------------------


def test_folders_are_made_found_and_listed(files: Files) -> None:
    top = files.good("POST", f"{V3}/folders", json={"name": "top"})
    inner = files.good("POST", f"{DATED}/folders", json={"name": "in ner", "parentFolderId": top["id"]})
    assert (inner["path"], inner["parentFolderId"]) == ("/top/in ner", top["id"])
    by_path = files.good("POST", f"{V3}/folders", json={"name": "more", "parentPath": "/top/in ner"})
    assert by_path["parentFolderId"] == inner["id"]
    as_guided = {"name": "most", "parentFolderPath": "/top"}
    assert files.good("POST", f"{V3}/folders", json=as_guided)["path"] == "/top/most"
    for what in (inner["id"], "top%2Fin%20ner", "top/in%20ner"):
        assert files.good("GET", f"{V3}/folders/{what}") == inner
    assert files.made(folder=None, fields={"folderId": inner["id"]})["path"] == "/top/in ner/a.txt"
    assert files.made(folder="/")["path"] == "/a.txt"
    listed = files.good("GET", f"{V3}/folders/search?parentFolderIds={top['id']}")
    assert [row["name"] for row in listed["results"]] == ["in ner", "most"]
    assert len(files.good("GET", f"{V3}/folders/search?limit=2")["results"]) == 2
    for bad, status in (
        ({}, 400),
        ({"name": "a/b"}, 400),
        ({"name": "top"}, 409),
        ({"name": "x", "parentFolderId": "1"}, 404),
        ({"name": "x", "parentFolderId": top["id"], "parentPath": "/top"}, 400),
    ):
        assert files.ask("POST", f"{V3}/folders", json=bad).status_code == status, bad


def test_a_moved_folder_takes_all_that_is_in_it_along(files: Files) -> None:
    made = files.made(folder="/a/b/c")
    files.made(folder="/ab")
    a, ab = (files.good("GET", f"{V3}/folders/{path}") for path in ("a", "ab"))
    moved = files.good(
        "PATCH", f"{V3}/folders/{a['id']}", json={"name": "z", "parentFolderId": int(ab["id"])}
    )
    assert moved["path"] == "/ab/z"
    assert files.good("GET", f"{V3}/files/{made['id']}")["path"] == "/ab/z/b/c/a.txt"
    assert files.ask("PATCH", f"{V3}/folders/{ab['id']}", json={"parentFolderId": a["id"]}).status_code == 400
    assert files.good("GET", f"{V3}/folders/ab")["id"] == ab["id"]


@pytest.mark.parametrize("base", [V3, DATED])
def test_a_folder_can_be_moved_later(files: Files, base: str) -> None:
    files.control.post("/settings", {"file_task_delay": [100, 100]})
    made = files.made(folder="/a")
    body = {"id": made["parentFolderId"], "name": "b"}
    reply = files.ask("POST", f"{base}/folders/update/async", json=body)
    link = orjson.loads(reply.content)["links"]["status"].removeprefix(files.running.url)
    assert (reply.status_code, files.good("GET", link)["status"]) == (202, "PENDING")
    assert files.good("GET", f"{V3}/folders/{made['parentFolderId']}")["path"] == "/a"
    files.pass_time(101)
    done = files.good("GET", link)
    assert (done["status"], done["result"]["path"]) == ("COMPLETE", "/b")
    files.made(folder="/taken")
    id = files.good("POST", f"{base}/folders/update/async", json={**body, "name": "taken"})["id"]
    files.pass_time(101)
    failed = files.good("GET", f"{base}/folders/update/async/tasks/{id}/status")
    assert (failed["status"], failed["numErrors"]) == ("CANCELED", 1)
    assert files.ask("GET", f"{base}/folders/update/async/tasks/none/status").status_code == 404


def test_a_deleted_folder_takes_its_files_to_the_trash_and_a_restored_file_brings_it_back(
    files: Files,
) -> None:
    made = files.made(folder="/a/b")
    assert files.ask("DELETE", f"{V3}/folders/a").status_code == 204
    assert files.ask("GET", f"{V3}/files/{made['id']}").status_code == 404
    assert files.ask("GET", f"{V3}/folders/{made['parentFolderId']}").status_code == 404
    act = {"as": "kim", "do": "undelete", "object": "files", "id": int(made["id"])}
    assert files.control.post("/act", act)["path"] == "/a/b/a.txt"
    assert files.ask("DELETE", f"{V3}/folders/{made['parentFolderId']}").status_code == 204
    assert files.ask("DELETE", f"{V3}/folders/1").status_code == 404


# --- imports --------------------------------------------------------------------------------------


def ended(files: Files, reply: httpx2.Response) -> dict[str, Any]:
    """A task, once it has come to its end."""
    assert reply.status_code == 202, reply.text
    link = orjson.loads(reply.content)["links"]["status"].removeprefix(files.running.url)
    eventually(lambda: files.good("GET", link)["status"] not in ("PENDING", "PROCESSING"))
    body: dict[str, Any] = files.good("GET", link)
    return body


@pytest.mark.parametrize("base", [V3, DATED])
def test_a_file_is_imported_from_a_url_of_this_machine(files: Files, base: str) -> None:
    source = files.made("source.pdf", b"from afar", access="PUBLIC_INDEXABLE")
    body = {"url": source["url"], "access": "PRIVATE", "folderPath": "/imported"}
    done = ended(files, files.ask("POST", f"{base}/files/import-from-url/async", json=body))
    assert (done["status"], done["result"]["path"]) == ("COMPLETE", "/imported/source.pdf")
    assert files.ask("GET", f"{V3}/files/{done['result']['id']}/download").content == b"from afar"
    assert files.truth()[done["result"]["id"]]["source"] == "INTEGRATION"
    eventually(lambda: len(files.contents()) == 1)


@pytest.mark.parametrize("url", ["http://192.0.2.1/a.pdf", "https://example.com/a.pdf", "{}/hubfs/none"])
def test_an_import_that_fails_says_so(files: Files, url: str) -> None:
    body = {"url": url.format(files.running.url), "access": "PRIVATE", "folderPath": "/"}
    done = ended(files, files.ask("POST", f"{V3}/files/import-from-url/async", json=body))
    assert (done["status"], done["numErrors"]) == ("CANCELED", 1)
    assert files.truth() == {}
    eventually(lambda: files.contents() == [])


def test_an_import_is_checked_before_it_is_begun(files: Files) -> None:
    good = {"url": "http://127.0.0.1/", "access": "PRIVATE", "folderPath": "/"}
    for change in ({"url": ""}, {"url": "ftp://x"}, {"access": "X"}, {"folderPath": ""}, {"folderId": "1"}):
        reply = files.ask("POST", f"{V3}/files/import-from-url/async", json=good | change)
        assert reply.status_code == 400, change


# --- activities -----------------------------------------------------------------------------------


def test_attachments_must_be_files_that_are_there(files: Files) -> None:
    one, two, gone = (files.made(f"{n}.txt", b"%d" % n)["id"] for n in range(3))
    files.good("DELETE", f"{V3}/files/{gone}")
    note = orjson.loads(files.note(hs_attachment_ids=f"{one};{two};{one}").content)
    assert note["properties"]["hs_attachment_ids"] == f"{one};{two}"
    for wrong in (gone, "5", f"{one};x", "²"):
        reply = files.note(hs_attachment_ids=wrong)
        body = orjson.loads(reply.content)
        assert (reply.status_code, body["errors"][0]["code"]) == (400, "INVALID_OPTION"), wrong
        assert body["errors"][0]["context"]["propertyName"] == ["hs_attachment_ids"]
    files.good("DELETE", f"{V3}/files/{one}")
    path = f"/crm/v3/objects/notes/{note['id']}"
    again = files.good("PATCH", path, json={"properties": {"hs_attachment_ids": f"{one};{two}"}})
    assert again["properties"]["hs_attachment_ids"] == f"{one};{two}"
    files.control.post("/settings", {"attachments_must_exist": False})
    assert files.note(hs_attachment_ids="5").status_code == 201


@pytest.mark.parametrize("kind", ["notes", "emails", "calls", "meetings", "tasks"])
def test_every_activity_has_attachments(files: Files, kind: str) -> None:
    id = files.made()["id"]
    properties = {"hs_timestamp": "2024-01-01", "hs_attachment_ids": id}
    made = files.good("POST", f"/crm/objects/2026-03/{kind}", json={"properties": properties})
    assert made["properties"]["hs_attachment_ids"] == id


# --- people, seeds, copies and faults -------------------------------------------------------------


def test_people_upload_replace_change_and_delete(files: Files) -> None:
    def act(do: str, **action: Any) -> dict[str, Any]:
        body: dict[str, Any] = files.control.post(
            "/act", {"as": "801", "do": do, "object": "files", **action}
        )
        return body

    made = act("create", fields={"name": "a.txt", "folderPath": "/theirs", "base64": "AAE="})
    assert files.ask("GET", f"{V3}/files/{made['id']}/download").content == b"\0\1"
    id = int(made["id"])
    act("update", id=id, fields={"text": "other", "name": "b"})
    assert files.truth()[made["id"]]["path"] == "/theirs/b.txt"
    assert files.anonymous(f"{files.running.url}/hubfs/4471203/theirs/b.txt").content == b"other"
    act("delete", id=id)
    assert files.truth()[made["id"]]["archived"]
    rows = [row for row in files.control.ndjson("/log") if row["object"] == "files"]
    assert [(row["actor"], row["op"]) for row in rows] == [
        ("user:801", op) for op in ("create", "file", "update", "delete")
    ]
    assert rows[1]["before"]["sha256"] != rows[1]["after"]["sha256"]


def test_a_seed_brings_files_that_records_name(files: Files) -> None:
    row = {"id": 900, "name": "a.txt", "folderPath": "/old", "text": "seeded", "createdAt": "2020-01-01"}
    note = {"properties": {"hs_timestamp": "2020-01-01", "hs_attachment_ids": "900"}}
    seed = {"files": [row, {"name": "b.txt", "archived": True}], "records": {"notes": [note]}}
    assert files.control.post("/seed", seed)["files"] == 2
    told = files.good("GET", f"{V3}/files/900")
    assert (told["path"], told["createdAt"]) == ("/old/a.txt", "2020-01-01T00:00:00.000Z")
    assert files.control.get("/truth")["files"] == 2
    assert [row for row in files.control.ndjson("/log") if row["object"] == "files"] == []


def test_a_copy_of_the_store_has_the_contents_too(files: Files, tmp_path: Path) -> None:
    made = files.made(content=b"kept")
    files.control.post("/save", {"to": str(tmp_path / "copy.db")})
    files.good("DELETE", f"{V3}/files/{made['id']}/gdpr-delete")
    files.made(content=b"made since")
    eventually(lambda: [path.read_bytes() for path in files.contents()] == [b"made since"])
    files.control.post("/restore", {"from": str(tmp_path / "copy.db")})
    assert files.ask("GET", f"{V3}/files/{made['id']}/download").content == b"kept"
    assert [path.read_bytes() for path in files.contents()] == [b"kept"]


def test_an_import_works_over_tls(tmp_path: Path) -> None:
    with (
        launch("hubspot", tmp_path, tls=True, settings={"file_task_delay": [0, 0]}) as one,
        Files(one) as files,
    ):
        source = files.made(content=b"safe", access="PUBLIC_INDEXABLE")
        assert source["url"].startswith("https://127.0.0.1")
        body = {"url": source["url"], "access": "PRIVATE", "folderPath": "/imported"}
        done = ended(files, files.ask("POST", f"{V3}/files/import-from-url/async", json=body))
        assert done["result"]["path"] == "/imported/a.txt"


def test_files_outlive_a_restart(tmp_path: Path) -> None:
    with launch("hubspot", tmp_path) as one, Files(one) as files:
        made = files.made(content=b"kept")
    leftover = tmp_path / "files" / "incoming" / "half"
    leftover.write_bytes(b"of a killed process")
    with launch("hubspot", tmp_path) as one, Files(one) as files:
        assert files.ask("GET", f"{V3}/files/{made['id']}/download").content == b"kept"
        assert not leftover.exists()


def sent(files: Files) -> Callable[[], None]:
    """Upload in the background, whatever comes of it; gives how to wait for the end."""

    def upload() -> None:
        with Files(files.running) as other, suppress(httpx2.HTTPError):
            other.upload("late.txt", b"late")

    thread = threading.Thread(target=upload)
    thread.start()
    return thread.join


@pytest.mark.parametrize(
    ("at", "kept"), [("arrival", 0), ("before_commit", 0), ("after_commit", 1), ("half_reply", 1)]
)
def test_an_upload_can_be_dropped_at_every_point(files: Files, at: str, kept: int) -> None:
    files.fault("drop", at=at)
    with pytest.raises(httpx2.HTTPError):
        files.upload()
    assert len(files.truth()) == kept
    eventually(lambda: len(files.contents()) == kept)


def test_half_an_upload_leaves_nothing(files: Files) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    port = int(files.running.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10.0) as line:
        line.sendall(
            b"POST /files/v3/files HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n" + head + b"x" * 100_000
        )
        eventually(lambda: len(files.contents()) == 1)
    eventually(lambda: files.contents() == [])
    assert files.truth() == {}


def test_somebody_can_act_while_an_upload_is_underway(files: Files) -> None:
    fields = {"name": "a.txt", "folderPath": "/in", "text": "theirs"}
    action = {"as": "kim", "do": "create", "object": "files", "fields": fields}
    files.fault("act", at="before_commit", action=action)
    assert files.made("a.txt")["path"] == "/in/a-1.txt"


def test_an_upload_can_be_held_and_released(files: Files) -> None:
    files.fault("hold", at="before_commit")
    join = sent(files)
    (held,) = files.control.wait_held()
    assert files.truth() == {}
    files.control.post(f"/release/{held['id']}")
    join()
    (row,) = files.truth().values()
    assert row["name"] == "late.txt"


def test_an_upload_can_land_after_its_client_gave_up(files: Files) -> None:
    files.fault("late_commit", seconds=0.2, close_after=0.1)
    sent(files)()
    assert files.truth() == {}
    eventually(lambda: len(files.truth()) == 1)
    (row,) = files.truth().values()
    assert files.ask("GET", f"{V3}/files/{row['id']}/download").content == b"late"


def test_a_fault_can_look_for_a_files_content_or_name(files: Files) -> None:
    for number, body in enumerate((r'filename="b\.txt"', "needle")):
        files.control.post(
            "/faults", [{"on": {"body": body}, "do": {"kind": "status", "status": 503 - number}}]
        )
    assert files.upload("a.txt", b"hay").status_code == 201
    assert files.upload("b.txt", b"hay").status_code == 503
    assert files.upload("a.txt", b"hay needle hay").status_code == 502
    assert len(files.truth()) == 1


def test_half_a_download_can_be_cut_off(files: Files) -> None:
    made = files.made(content=b"x" * 1_000_000)
    on = {"method": "GET", "path": "/download$"}
    files.control.post("/faults", [{"on": on, "do": {"kind": "drop", "at": "half_reply"}}])
    with pytest.raises(httpx2.HTTPError):
        files.ask("GET", f"{V3}/files/{made['id']}/download")
    assert files.control.ndjson("/requests")[-1]["bytes"] == 500_000
    assert len(files.ask("GET", f"{V3}/files/{made['id']}/download").content) == 1_000_000


def test_a_download_ends_well_though_its_file_is_deleted_meanwhile(files: Files) -> None:
    made = files.made(content=b"still here")
    on = {"method": "GET", "path": "/download$"}
    files.control.post("/faults", [{"on": on, "do": {"kind": "hold", "at": "after_commit"}}])
    got: list[bytes] = []

    def fetch() -> None:
        with Files(files.running) as other:
            got.append(other.ask("GET", f"{V3}/files/{made['id']}/download").content)

    thread = threading.Thread(target=fetch)
    thread.start()
    (held,) = files.control.wait_held()
    files.good("DELETE", f"{V3}/files/{made['id']}/gdpr-delete")
    eventually(lambda: files.contents() == [])
    files.control.post(f"/release/{held['id']}")
    thread.join()
    assert got == [b"still here"]


# --- multipart bodies -----------------------------------------------------------------------------

BODY = (
    b'--b\r\nContent-Disposition: form-data; name="n"\r\n\r\nvalue\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="\xc3\xa4 \\"q\\".txt"\r\n'
    b"Content-Type: text/plain; charset=x\r\n\r\n\r\n--b\r--\n-\r\n--b--\r\n"
)


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_a_body_is_taken_apart_alike_however_it_comes_in(tmp_path: Path, step: int) -> None:
    reader, stream = Reader("multipart/form-data; boundary=b", Contents(tmp_path)), io.BytesIO(BODY)
    while piece := stream.read(step):
        reader.write(piece)
    value, file = reader.parts()
    assert (value.name, value.text(), value.filename) == ("n", "value", None)
    assert (file.name, file.media) == ("file", "text/plain")
    assert file.filename is not None
    assert file.filename.startswith("ä")
    assert file.path is not None
    content = file.path.read_bytes()
    assert content == b"\r\n--b\r--\n-"[: len(content)]
    assert (file.size, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert reader.received == len(BODY)
    reader.discard()
    assert not file.path.exists()


def test_a_value_that_is_too_long_for_memory_is_refused(tmp_path: Path) -> None:
    reader = Reader("multipart/form-data; boundary=b", Contents(tmp_path))
    reader.write(b'--b\r\nContent-Disposition: form-data; name="n"\r\n\r\n')
    for _ in range(2):
        reader.write(b"x" * SMALL)
    assert reader.parts() == ()
    assert "too long" in reader.trouble


@pytest.mark.parametrize("boundary", ["", "; boundary=", f"; boundary={'b' * 71}"])
def test_a_body_without_a_good_boundary_is_refused(files: Files, boundary: str) -> None:
    headers = {"content-type": f"multipart/form-data{boundary}"}
    reply = files.ask("POST", f"{V3}/files", content=BODY, headers=headers)
    assert (reply.status_code, "boundary" in reply.text) == (400, True)
