"""Which parts of a text mean something to a machine, and which words are nobody's?

The order of the alternatives decides: what stands first takes a part. Endings of domains are those of
countries (two letters) and the common ones; any other last label counts as a word.
"""

from __future__ import annotations

import re

_TAGS = (
    "a|abbr|article|b|big|blockquote|body|br|caption|center|code|col|colgroup|dd|del|div|dl|dt|em|figure|font"
    "|footer|h[1-6]|head|header|hr|html|i|img|ins|label|li|link|meta|ol|p|pre|q|s|section|small|span|strike"
    "|strong|style|sub|sup|table|tbody|td|tfoot|th|thead|title|tr|tt|u|ul"
)
_ATTRIBUTES = (
    "align|alt|background|bgcolor|border|cellpadding|cellspacing|class|color|colspan|content|dir|face|height"
    "|href|id|lang|name|rel|rowspan|size|src|style|target|title|type|valign|width"
)
_ENDS = (
    "com|net|org|info|biz|edu|gov|mil|int|name|pro|app|dev|online|shop|store|tech|cloud|agency|consulting"
    "|gmbh|group|example|test|invalid|localhost|local"
)
# Endings of files, which are also words that stay.
_ENDINGS = (
    "avi|bmp|csv|doc|docm|docx|eml|gif|gz|heic|htm|html|ics|jpeg|jpg|json|md|mov|mp3|mp4|msg|odp|ods|odt|pdf"
    "|png|ppt|pptx|rtf|svg|tar|tif|tiff|tsv|txt|vcf|wav|webp|xls|xlsm|xlsx|xml|yaml|zip"
)
ENDINGS = frozenset(_ENDINGS.split("|"))
# Words that stay within a text because a machine reads them.
_SCHEMES = "http|https|mailto|null|true|false|none|unknown"
MACHINE = frozenset(f"{_TAGS}|{_ATTRIBUTES}|{_ENDS}|{_ENDINGS}|{_SCHEMES}".split("|"))
ENDS = re.compile(rf"(?:[a-z]{{2}}|{_ENDS})", re.IGNORECASE)
RESERVED = frozenset({"example"})  # nobody can own these (RFC 2606); who reads the result sees it
_PROVIDERS = (
    "aol.com fastmail.com gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net googlemail.com hotmail.co.uk "
    "hotmail.com hotmail.fr icloud.com live.com mac.com mail.com mail.ru me.com msn.com orange.fr "
    "outlook.com proton.me protonmail.com qq.com t-online.de web.de yahoo.co.uk yahoo.com yahoo.de yahoo.fr "
    "yandex.ru"
)
PROVIDERS = frozenset(_PROVIDERS.split(" "))
EMAIL = r"[\w.!#$%&*+=?^`{|}~'-]+@[\w-]+(?:\.[\w-]+)+"
PHONE = r"\+?[0-9](?:[ \t\u00a0()./-]{0,3}[0-9]){6,}"
_DATE = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
    r"|[0-9]{1,2}(?P<sep>[./-])[0-9]{1,2}(?P=sep)[0-9]{4}|[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?"
)
# Whole values that say nothing of anybody: of nothing, of a kind of file, of a language.
WHOLE = re.compile(
    r"(?i:null|nan|none|n/a|#n/a|true|false|yes|no|unknown)"
    r"|(?:application|audio|font|image|message|model|multipart|text|video)/[a-z0-9.+-]+"
    r"|[a-z]{2}[_-][A-Z]{2}"
)


def parts(id: str) -> str:
    """The regular expression of the parts, a named group each.

    Args:
        id: a named group for ids; "" where they have no form.
    """
    alternatives = [
        rf"(?P<email>{EMAIL})",
        r"(?P<url>(?i:\b[a-z][a-z0-9+.-]*://|\bcid:)[^\s<>\"']+)",
        id,
        r"(?P<hex>\b[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\b|\b[0-9A-Fa-f]{32}(?:[0-9A-Fa-f]{8}|"
        r"[0-9A-Fa-f]{32})?\b)",
        rf"(?P<tag></?(?i:{_TAGS})(?=[\s/>]))",
        rf"(?P<attribute>\b(?i:style\s*=\s*\"[^\"]*\"|(?:{_ATTRIBUTES})\s*=(?=\s*[\"'])))",
        r"(?P<entity>&(?:[A-Za-z]{2,8}|#[0-9]{1,6}|#x[0-9A-Fa-f]{1,6});|%[0-9A-Fa-f]{2})",
        rf"(?P<host>(?i:\b(?:[\w-]+\.)+(?:[a-z]{{2}}|{_ENDS})\b))",
        rf"(?P<date>(?<![\w.])(?:{_DATE})(?![\w]))",
        rf"(?P<phone>(?<![\w]){PHONE})",
        rf"(?P<ending>\.(?i:{'|'.join(sorted(ENDINGS))})\b)",
    ]
    return "|".join(each for each in alternatives if each)
