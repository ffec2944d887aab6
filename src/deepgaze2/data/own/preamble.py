"""What lines before the names of columns say of a whole file: `## Subject: P1`."""

import re
from collections.abc import Iterable

from deepgaze2.data.own.names import key

_NAMES = {  # by meaning, the likeliest first
    "subject": """subject subjectname subjectid participant participantname participantid
        observer user respondent respondentname recordingname recording""",
    "image": """stimulus stimulusname stimulusfile image imagename imagefile media medianame
        mediafile picture""",
}
_LINE = re.compile(r"""[\W_]*([^:=\t]+?)["']?[ ]*[:=\t][\s:=,;"']*(.*?)[\s,;"']*""")


def told_before(lines: Iterable[str]) -> dict[str, str]:
    """Return the subject and the image that lines name, if they do and name one.

    Parameters
    ----------
    lines : iterable of str
        Such as `## Subject:<tab>P1` of SMI's, `Participant name: P01` of Tobii Studio's.
    """
    written = dict[str, set[str]]()
    for line in lines:
        if (match := _LINE.fullmatch(line.strip())) and match[2]:
            written.setdefault(key(match[1]), set()).add(match[2])
    found = dict[str, str]()
    for role, names in _NAMES.items():
        values = next((written[name] for name in names.split() if name in written), set[str]())
        if len(values) == 1:
            found[role] = min(values)
    return found
