# ruff: noqa: E501 - a pattern stands on one line, however long
"""Whose word a sentence is: the person's, the assistant's, or that of a file, a page or a tool, of which it only tells.

Who tells what a file says lends it nothing. In doubt a sentence is the file's: what is asked for in a README must never
pass for the person's own rule, and a rule of theirs that is told so is theirs again once they accept it. Each pattern is
tried on a sentence in lower case, in which code is `▪` and a quotation `◦`; every gap in one is bounded.
"""

import re
from collections.abc import Iterable
from typing import Final

from kioku.knowledge.extraction import cues

PERSON: Final = "person"
ASSISTANT: Final = "assistant"
REPOSITORY: Final = "repository"

_FILE = r"[\w./-]{1,80}\.(?:md|mdx|txt|rst|adoc|html?|toml|ya?ml|json|cfg|ini|py|ts|js|go|rs|sh|log|org|pdf)\b"
_DOCUMENT = (
    r"(?:readme|contributing|agents\.md|claude\.md|changelog|docs?|documentation|doku\w*|guides?|guidelines?|comments?|docstrings?|file|"
    r"specs?|specification|pages?|issues?|tickets?|websites?|wiki|manual|instructions?|output|logs?|messages?|prompts?|policy|rfc|template|"
    r"linter|compiler|ci|formatter|script|tool|bot|server|api|error|warning|article|post|blog|handbook|checklist|plan|"
    r"anleitung|datei|handbuch|ausgabe|fichier|manuel|sortie|documentación|archivo|guía|documentação|arquivo|documentazione|guida|manuale)"
)
_SAYS = (
    r"(?:says?|said|states?|stated|tells?|told|reads?|notes?|mentions?|requires?|recommends?|instructs?|asks?|writes?|wrote|demands?|"
    r"wants?|insists?|suggests?|specif(?:y|ies)|prescribes?|advises?|claims?|announces?|printed|prints?|reports?|warns?|orders?)"
)
_SPEAKS = r"(?:says?|said|states?|tells?|instructs?|recommends?|mentions?|advises?|prescribes?|demands?|insists?|claims?|told|suggests?|asks? (?:us|you|to|for|that))"
_TOLD = re.compile(
    rf"\b{_DOCUMENT}\b.{{0,40}}\b{_SAYS}\b"
    rf"|(?:▪|{_FILE}).{{0,25}}\b{_SPEAKS}\b"
    rf"|^\W{{0,3}}(?:from |in |see |per )?(?:the )?(?:▪|{_FILE}|(?:readme|contributing|changelog|docs|documentation)\b)(?: \w+){{0,2}} ?:"
    rf"|\b(?:per|as per) (?:the |our |its )?(?:▪|{_FILE}|{_DOCUMENT}\b)"
    rf"|\b(?:in|from|on) (?:the |our |its )?(?:▪|{_FILE}|{_DOCUMENT}\b).{{0,30}}\b(?:it|they|we|you|i) (?:{_SAYS}|read|find|found|see)\b"
    r"|\baccording to\b|\bas (?:stated|written|documented|described|mentioned|said|required|recommended|told|instructed) (?:in|by)\b"
    r"|\b(?:quote|quoted|quoting|quotes)\b|\bit (?:says|said|reads|states) (?:there|here|in|on)\b"
)
_ELSEWHERE = re.compile(
    # German
    r"\b(?:laut|gemäß|zufolge)\b|\b(?:steht|heißt es|schreibt vor|verlangt|empfiehlt)\b.{0,60}(?:,|:|\bdass\b|\bin\b)"
    r"|\b(?:readme|doku\w*|anleitung|datei|handbuch|ausgabe|linter|tool)\b.{0,40}\b(?:sagt|schreibt|verlangt|empfiehlt|fordert|meldet|steht)\b|▪ (?:sagt|verlangt|schreibt)\b"
    # French, Spanish, Portuguese, Italian
    r"|\b(?:selon|d'après|según|conforme|de acordo com|secondo|stando a|d'accordo con)\b|\bsegundo (?:o|a|os|as) "
    r"|(?:▪|\b(?:readme|documentation|fichier|guide|manuel|documentación|archivo|guía|manual|documentação|arquivo|guia|documentazione|file|guida|manuale)\b).{0,40}"
    r"\b(?:dit|indique|précise|exige|demande|recommande|dice|indica|pide|recomienda|diz|exige|pede|recomenda|richiede|raccomanda|chiede)\b"
    # Russian
    r"|согласно|по словам|(?:▪|readme|документаци\w+|файл\w*|руководств\w+).{0,30}(?:говорит|гласит|требует|рекомендует|указано|написано|сказано)"
    # Chinese, Japanese, Korean
    r"|根据|按照|(?:▪|readme|文档|文件|手册|说明).{0,12}(?:说|写|要求|规定|建议|提到)"
    r"|によると|によれば|に従(?:い|って)|(?:▪|readme|ドキュメント|文書|ファイル|マニュアル|説明).{0,14}(?:書いて|書かれ|とある|言って|指示|求め)"
    r"|에 따르면|(?:▪|readme|문서|파일|매뉴얼|가이드).{0,14}(?:라고|하라고|적혀|쓰여|요구|권장)"
)


def authority(text: str, role: str, beside: Iterable[str] = ()) -> str:
    """Return whose word a sentence is that was said by `user` or `assistant`.

    `beside` is what stands before it, or led to it: where that names a file, the sentence is the file's.
    """
    for part in (text, *beside):
        marked = cues.see(part).marked if part else ""
        if _TOLD.search(marked) or _ELSEWHERE.search(marked):
            return REPOSITORY
    return PERSON if role == "user" else ASSISTANT
