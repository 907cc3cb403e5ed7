"""Which functions of ours may an expression call, and what are they in DuckDB's words?

Mail and HTML need what SQL lacks. Each function depends on its arguments alone and gives null for null; what
it means is fixed by golden rows (tests/unit/expressions.yaml), so that another engine can have it, too. A
*person* is text as mail writes it: `ann@a.test` or `Ann <ann@a.test>`, the name in quotes where it has signs.

Facts: RFC 5322 (addresses); HubSpot, e-mails guide (`hs_email_headers`, JSON with `from`, and `to`, `cc`
`bcc` as lists, of `email`, `firstName`, `lastName`), read 2026-11-26.
"""

from __future__ import annotations

_AFTER_NAME = r"<([^<>]*)>\s*$"
_BARE_NAME = (
    r"trim(CASE WHEN regexp_matches(p, '<[^<>]*>\s*$') "
    r"THEN regexp_replace(p, '\s*<[^<>]*>\s*$', '') ELSE '' END)"
)
_PERSON = """json_merge_patch('{}', json_object('email', nullif(person_email(%s), ''),
    'firstName', nullif(regexp_replace(%s, '\\s+\\S+$', ''), ''),
    'lastName', nullif(regexp_extract(%s, '\\s(\\S+)$', 1), '')))"""


def _json(email: str, name: str) -> str:
    return _PERSON % (email, name, name)


_EACH = f"lambda p: {_json('p', 'person_name(p)')}"

MACROS: tuple[str, ...] = (
    # Text as HTML: its special signs escaped; line ends, of every kind, as `<br>`.
    """CREATE MACRO html_escape(t) AS
        replace(replace(replace(replace(t, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;')""",
    r"CREATE MACRO text_to_html(t) AS regexp_replace(html_escape(t), '\r\n|\r|\n', '<br>', 'g')",
    # People of a header, separated by `;` or `,` outside of quotes.
    r"""CREATE MACRO people(t) AS list_filter(list_transform(
        regexp_extract_all(t, '(?:"(?:[^"\\]|\\.)*"|[^";,])+'), lambda p: trim(p, E' \t\r\n')),
        lambda p: p <> '')""",
    rf"""CREATE MACRO person_email(p) AS lower(trim(CASE WHEN regexp_matches(p, '{_AFTER_NAME}')
        THEN regexp_extract(p, '{_AFTER_NAME}', 1) ELSE p END))""",
    rf"""CREATE MACRO person_name(p) AS nullif(replace(replace(
        regexp_replace({_BARE_NAME}, '^"(.*)"$', '\1'), '\"', '"'), '\\', '\'), '')""",
    "CREATE MACRO people_emails(l) AS list_transform(l, lambda p: person_email(p))",
    f"""CREATE MACRO email_headers(address, name, to_people, cc_people, bcc_people) AS CAST(json_merge_patch(
        '{{}}', json_object(
            'from', CASE WHEN address IS NOT NULL THEN {_json("address", "name")} END,
            'to', list_transform(coalesce(to_people, []), {_EACH}),
            'cc', list_transform(coalesce(cc_people, []), {_EACH}),
            'bcc', list_transform(coalesce(bcc_people, []), {_EACH}))) AS VARCHAR)""",
    # The people of one role (`from`, `to`, `cc`, `bcc`) in such headers; none where they are no JSON.
    r"""CREATE MACRO header_people(headers, role) AS CASE WHEN json_valid(headers) THEN list_filter(
        list_transform(
            CASE json_type(headers, '$.' || role)
                WHEN 'OBJECT' THEN [json_extract(headers, '$.' || role)]
                WHEN 'ARRAY' THEN CAST(json_extract(headers, '$.' || role) AS JSON[]) ELSE [] END,
            lambda p: CASE WHEN concat_ws(' ', p->>'$.firstName', p->>'$.lastName') = '' THEN p->>'$.email'
                ELSE concat('"', replace(replace(concat_ws(' ', p->>'$.firstName', p->>'$.lastName'),
                    '\', '\\'), '"', '\"'), '" <', p->>'$.email', '>') END),
        lambda p: p IS NOT NULL) END""",
)
