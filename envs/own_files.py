"""Reading the files that users bring."""

from pathlib import Path


def read_text(path: str | Path, what: str = "") -> str:
    """Return the text of a user's file; `what` is what it should be, such as "the trace ", for the sentence.

    Raises:
        ValueError: there is no such file, or it is not text in UTF-8.
    """
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"cannot read {what}{path}: {error.strerror}; give the path of an existing file") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text in UTF-8; save it as such") from None
