"""How does a build server read a validation? JUnit XML: a suite a check, a case an object."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as Xml


def junit(document: dict[str, Any]) -> bytes:
    """JUnit XML: a suite a check, a case an object; warnings pass and say so."""
    root = Xml.Element("testsuites", name="migrate validate")
    checks = dict.fromkeys(result["check"] for result in document["results"])
    for check in checks:
        results = [result for result in document["results"] if result["check"] == check]
        verdicts = [result["verdict"] for result in results]
        suite = Xml.SubElement(
            root, "testsuite", name=check, tests=str(len(results)), failures=str(verdicts.count("fail")),
            errors=str(verdicts.count("error") + verdicts.count("empty")), skipped="0",
            time=str(sum(result["seconds"] for result in results)),
        )  # fmt: skip
        for result in results:
            case = Xml.SubElement(
                suite,
                "testcase",
                classname=f"validate.{check}",
                name=result["id"],
                time=str(result["seconds"]),
            )
            if result["verdict"] == "fail":
                Xml.SubElement(case, "failure", message=_plain(result["summary"])).text = _figures(result)
            elif result["verdict"] in ("error", "empty"):
                Xml.SubElement(case, "error", message=_plain(result["summary"])).text = _figures(result)
            else:
                out = Xml.SubElement(case, "system-out")
                out.text = f"{result['verdict']}: {_plain(result['summary'])}\n{_figures(result)}"
    Xml.indent(root)
    content: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return content


def _plain(words: str) -> str:
    return "".join(letter for letter in words if letter >= " " or letter in "\t\n")


def _figures(result: dict[str, Any]) -> str:
    lines = [f"{name}: {value}" for name, value in result["figures"].items()]
    return _plain("\n".join([*lines, *([f"rows: {result['rows']}"] if result["rows"] else [])]))
