"""What can be known of a file from its bytes and its name?

Size, MD5, and a type by the extension (Salesforce, Object Reference "ContentVersion",
"Attachment", read 2026-11-26). The vendor publishes no list of types: these are the
usual ones, anything else is `UNKNOWN`.
"""

import re
from pathlib import PurePosixPath

from migrate.sandbox.salesforce import blobs
from migrate.sandbox.salesforce.blobs import Blob
from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.records import Record
from migrate.sandbox.salesforce.schema import SObject

_TYPES = {
    "bmp": "BMP", "csv": "CSV", "doc": "WORD", "docx": "WORD_X", "gif": "GIF", "htm": "HTML", "html": "HTML",
    "jpeg": "JPG", "jpg": "JPG", "mov": "MOV", "mp3": "MP3", "mp4": "MP4", "pdf": "PDF", "png": "PNG",
    "ppt": "POWER_POINT", "pptx": "POWER_POINT_X", "rtf": "RTF", "snote": "SNOTE", "svg": "SVG",
    "txt": "TEXT", "vsd": "VISIO", "wav": "WAV", "xls": "EXCEL", "xlsx": "EXCEL_X", "xml": "XML",
    "zip": "ZIP",
}  # fmt: skip
_TAG = re.compile(r"<[^<>]*>")


def measure(call: Call, item: SObject, record: Record) -> None:
    """Sizes, checksum and type, in place."""
    kept = record.get(item.blobs[0].name)
    blob = blobs.find(call.tx, kept) if kept else Blob("", "", 0)
    if item.name == "Attachment":
        record["BodyLength"] = blob.size
        return
    record["ContentSizeLong"] = blob.size
    record["ContentSize"] = min(blob.size, 2**31 - 1)
    if item.name == "ContentNote":
        record |= {"FileType": "SNOTE", "FileExtension": "snote"}
    else:
        record["Checksum"] = blob.md5
        path = str(record.get("PathOnClient") or "")
        extension = PurePosixPath(path.replace("\\", "/")).suffix.lstrip(".")[:40]
        if extension:
            record["FileExtension"] = extension
        else:
            record.pop("FileExtension", None)
        link = bool(record.get("ContentUrl")) and not kept
        record["FileType"] = "LINK" if link else _TYPES.get(extension.lower(), "UNKNOWN")
        record.setdefault("ContentModifiedDate", record["LastModifiedDate"])
        record["ContentModifiedById"] = record["LastModifiedById"]
    if record["FileType"] == "SNOTE" and kept:
        text = _TAG.sub("", blobs.read(call.tx, kept).decode("utf-8", "replace"))
        record["TextPreview"] = text[:255] or None
        if record["TextPreview"] is None:
            record.pop("TextPreview")
