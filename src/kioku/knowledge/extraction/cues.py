# ruff: noqa: E501 - a cue stands on one line, however long
"""What can be seen in a sentence that speaks for a discovery or against one: its cues, by name.

A cue is general: a class of verbs, a mood, a kind of subject, what a heading announces, the place in the passage. None is
a phrase of one project. Each pattern is tried on one sentence of a bounded length, in lower case, in which code is `▪` and
a quotation `◦`; every gap in one is bounded. What a cue counts for stands in `weights`.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from kioku.knowledge.extraction.sentences import Sentence

_CODE = re.compile(r"`[^`\n]{1,300}`|\[[^\]\n]{1,200}\]\([^)\n]{1,400}\)")
_QUOTED = re.compile(
    r"(?<!\w)\"[^\"\n]{1,300}\"|“[^”\n]{1,300}”|«[^»\n]{1,300}»|„[^“”\n]{1,300}[“”]|「[^」\n]{1,300}」|(?<!\w)'[^'\n]{8,300}'(?!\w)"
)
_NAME = re.compile(
    r"(?<![\w.-])[\w.-]*[\w-]\.(?:py|go|tsx?|jsx?|mjs|md|json|ya?ml|toml|rs|sh|sql|html|css|lock|env)\b(?::\d+)?|\b\w+_\w+\b|(?<![\w./-])[\w.-]+/[\w./-]+\b"
    r"|\b[a-z]+[A-Z]\w+|\b[A-Z][a-z]+[A-Z]\w+|\w\(\)|(?<!\w)--?[a-z][\w-]+"
)
WORD: Final = re.compile(r"[^\W_]+(?:'[a-z]+)?")
ENGLISH: Final = re.compile(r"\b(?:the|and|of|is|are|that|this|with|to|it|we|you|not)\b")

_WHOLE: Final = 5  # words that stand by themselves
_FRONT: Final = 12  # signs within which a mark judges all that follows
NEAR: Final = 400  # signs of a neighbour that are looked at
_AS_A_HEADING: Final = 60  # signs of a line that announces like one
CODES: Final = ("names no code", "names one piece of code", "names two", "names three or more")
LENGTHS: Final = (("under 6 words", 0, 5), ("11 to 25 words", 11, 25), ("over 25 words", 26, 1_000))
_MARK = re.compile(r"[\u2139\u2600-\u27bf\U0001f300-\U0001faff]\ufe0f?\s*")
# What stands before a sentence, and the plan that is hung on one.
_BEFORE = re.compile(
    r"^(?:\(?\d{1,3}[.)] |◈ |(?:yes|no|yeah|yep|good|great|perfect|done|right|ok|okay|found it|so|but|and|also|now)\s?[,:!.—–-]+ |(?:so|but|and) (?=\w))+"
)
_ASIDE = re.compile(
    r"(?:[;,—–]|\band\b)(?: so| and| but| then)* (?:i'll|i'm|i am|i will|i need|i can|i plan|let me|next i|we'll|we can)\b"
)

_CHANGED = (
    "added|removed|deleted|dropped|replaced|renamed|moved|switched|migrated|converted|changed|updated|extracted|merged|split|"
    "simplified|refactored|introduced|implemented|created|wired|registered|enabled|disabled|excluded|included|restricted|limited|"
    "capped|pinned|bumped|reverted|restored|kept|left|set|made|wrapped|exposed|inlined|consolidated|unified|normali[sz]ed|"
    "standardi[sz]ed|centrali[sz]ed|hardened|saniti[sz]ed|cached|deferred|shortened|expanded|extended|adopted|combined|rewrote|"
    "rewritten|swapped|hid|hidden|marked|decoupled|isolated|deprecated|retired|ported|gated|guarded|scoped|tightened|relaxed|"
    "modulari[sz]ed|increased|reduced|lowered|raised|configured|redirected|rejected|suppressed|separated|redacted|required|chose|"
    "decided|picked|selected|agreed|stored|used|documented|fixed|corrected|addressed|handled|improved|turned|put|skipped|allowed|"
    "blocked|disallowed|preserved|adjusted|patched|rewired|routed|bundled|specified|defined"
)
_DOES = (
    "uses?|stores?|keeps?|returns?|reads?|writes?|handles?|lives?|resides?|runs?|ignores?|lists?|shows?|contains?|calls?|sends?|pushes|push|"
    "follows?|requires?|supports?|accepts?|skips?|falls? back|defaults?|preserves?|shares?|holds?|tracks?|loads?|creates?|writes?|"
    "generates?|produces?|maps?|resolves?|validates?|checks?|parses?|wraps?|delegates?|implements?|provides?|defines?|manages?|"
    "controls?|determines?|decides?|applies|apply|covers?|includes?|excludes?|expects?|relies|depends?|inherits?|extends?|overrides?|"
    "switches|spawns?|triggers?|fires?|emits?|adds?|appends?|removes?|deletes?|copies|moves?|matches|avoids?|prevents?|ensures?|"
    "assumes?|treats?|sets?|gets?|passes|receives?|exposes?|registers?|syncs?|renders?|redacts?|points? to|works? (?:by|as|like|through|via|on)|consists?|belongs?|"
    "go(?:es)? (?:through|to|via|into)|talks? to|expires?|dispatches|turns? into|happens?|occurs?|starts?|stops?|retries|polls?|listens?|"
    "serves?|connects?|opens?|closes|throws?|raises?|logs?|prints?|exits?|imports?|exports?|translates?|converts?|computes?|caches|combines?|picks?|retries|hands?|wakes?|splits?|joins?|subtracts?|builds?|starts?|"
    "represents?|refers? to|corresponds? to|compares?|wins|takes? precedence|caps?|limits?|enables?|disables?|blocks?|allows?|needs?"
)
_ORDERS = (
    "use|add|remove|delete|drop|replace|rename|move|switch|make|keep|store|return|reject|skip|default|fail|trigger|exclude|include|"
    "disable|enable|configure|change|update|fix|put|set|apply|call|read|write|merge|split|extract|hide|show|limit|cap|allow|disallow|"
    "only|stop|require|treat|ensure|convert|revert|leave|simplify|pin|name|call|run|support|log|handle|prefer|avoid"
)
_FAILING = (
    r"fail(?:s|ed|ure|ures|ing)?|errors?|crash\w*|broke\w*|breaks?|breaking|hang(?:s|ing)?|hung|bugs?|wrong\w*|incorrect\w*|invalid|missing|"
    r"stale|race|deadlock\w*|leak\w*|regression\w*|conflict\w*|duplicat\w*|mismatch\w*|stuck|los[te]|loss|losing|slow|block(?:s|ing)|panic\w*|"
    r"unrecoverable|vulnerab\w*|bypass\w*|overwrit\w*|corrupt\w*|inconsisten\w*|timeouts?|silent\w*|ignored|hardcod\w*|hard-coded|anti-pattern|warnings?|unknown|undefined|too broad|noisy|flaky|twice|rejected with|complain\w*|exits (?:immediately|early|with)|does nothing|nothing happens|never (?:ran|runs|fires|fired|called|reaches|removed|released|closed|set|sent)|too (?:big|large|long|slow|late|early|many|much)|unexpected\w*|un(?:validated|handled|checked|reachable|escaped|safe|bounded|available|able)"
)


def _rows(*rows: tuple[str, str]) -> tuple[tuple[str, "re.Pattern[str]"], ...]:
    return tuple((name, re.compile(pattern)) for name, pattern in rows)


_LEAD = r"^(?:[▪\w ./-]{1,40}(?: ▪)? ?[—–:-] )?"

WHAT_THE_RULES_SAY: Final = r"\b(?:per|following|according to|as) (?:your|the|our|this)?(?: \w+){0,3} ?(?:rules?|guide\w*|instructions?|conventions?|polic\w+|standards?|claude\.md|agents\.md)\b|\b(?:rules?|instructions?|repo|project|polic\w+|convention|guide\w*|linter|ci) (?:explicitly )?(?:forbids?|requires?|says?|asks?|demands?|prohibits?|disallows?|wants?)\b"

# Tried on every sentence.
EVERYONE: Final = _rows(
    ("a cause is told", r"\b(?:because|since|due to|caused by|as a result of|thanks to|stems? from|comes? from)\b"),
    ("the cause is named", r"^(?:the )?(?:problem|issue|bug|cause|reason)(?: found| \d)?\s?[:—–-]|\b(?:root cause|culprit|underlying (?:issue|problem|cause|bug))\b|\bthe (?:real |actual |main |core |key |only |first |second |actionable |other )*(?:issue|problem|bug|reason|cause|failure|error|trouble|catch|fix|solution|mistake)s?\b[^.,;]{0,60}? (?:is|was|were|are|comes?|came|happens?|occurs?|lies)\b"),
    ("is due to", r"\b(?:was|is|were|are) (?:\w+ly |just |simply |only )?(?:due to|caused by|because|down to|the result of)\b|\b(?:happens?|happened|occurs?|occurred|fails?|failed|broke|breaks?|crash\w*|hangs?) (?:\w+ ){0,5}(?:due to|because|since|when|if)\b|\bwhich is why\b|\bthat's why\b"),
    ("without it", r"^without (?:this|that|it|the|a|an|these|▪)\b"),
    ("mended by", r"\b(?:fixed|resolved|solved|corrected|cured)\b.{3,120}\b(?:by|so that|with a|where)\b"),
    ("so that it fails", rf"(?:\bso\b|\bwhich\b|\bcausing\b|\bmaking\b|\bhence\b)[^.;]{{1,60}}\b(?:{_FAILING})\b"),
    ("the root cause is named", r"\b(?:root cause|culprit|underlying (?:issue|problem|cause|bug))\b[^.]{0,60}?(?: (?:is|was|were|lies|turned out)\b|:)"),
    ("a consequence is told", r"\b(?:which|this|that) (?:means?|causes?|caused|leads?|led|makes?|made|breaks?|broke|results?|produces?)\b|\b(?:causes?|causing|leading to|resulting in|so that|therefore|thus|hence|otherwise)\b|[,;:] so (?!far\b|that\b|to\b|as\b)\w"),
    ("something fails", rf"\b(?:{_FAILING})\b"),
    ("does not do", r"\b(?:does|do|did|is|are|was|were|can|could|has|have|will) ?(?:not|n't)\b(?! (?:see|find|want|need))|\bcannot\b|n't (?:be|have|use|map|pass|track|include|exclude|handle|work|list|show)\b|\bnever (?:\w+ed|\w+s)\b"),
    ("instead of another", r"\b(?:instead|rather than|in favou?r of|in place of|as opposed to|not just|over the)\b| → "),
    ("one for another", r"\b(?:replaced|swapped|switched|migrated|moved|renamed|changed|converted|bumped|split|merged)\b.{1,100}\b(?:with|by|to|from|into|for)\b"),
    ("for a purpose", r"\b(?:so that|in order to|so (?:it|they|the|we|you)\b|to (?:avoid|prevent|ensure|enforce|make|keep|match|support|allow|fit|suppress|preserve|set|get|retrieve|store|require|include|handle|reduce|save|protect|fix|be))\b|\bavoid(?:s|ing)\b|\bprevent(?:s|ing)\b|\bfor (?:\w+ ){0,2}\w+ing\b"),
    ("no longer", r"\bno longer\b|\bnot anymore\b|\banymore\b"),
    ("now", r"\bnow (?:\w+s|\w+ed|use|call|match|live|go|share|return|have)\b|\b(?:is|are|will) now\b"),
    ("on purpose", r"\b(?:intentional\w*|deliberate\w*|by design|on purpose|explicitly|expected)\b"),
    ("was decided", r"\b(?:decided|agreed|opted|elected|settled)\b(?: \w+)?(?: (?:to|on|for|that|not|against|upon|with|we|we're|we'll)\b|: )|\b(?:chose|(?:have|has|had|was|were|'ve) (?:chosen|picked)|going with|go with|went with|stick with|sticking with|stuck with|standardi[sz]ed on)\b|\b(?:decision|design choice|resolution)\b(?: (?:was|is)(?: made)?)?(?: to\b|:)"),
    ("was replaced", r"\b(?:was|were|is|are|has been|have been|been|be) (?:now )?(?:replaced|removed|renamed|moved|dropped|deleted|deprecated|superseded|switched|merged|modulari[sz]ed|updated|disabled|enabled|excluded)\b"),
    ("always or never this", r"\b(?:must|shall|should|may) (?:always|never|only)\b|\bmust(?:n't| not)\b|^(?:please )?(?:always|never)\b|\b(?:from now on|going forward,|no exceptions|at all times|under no circumstances|as a rule|by policy)\b|\b(?:we|you|i) (?:always|never) (?!been|seen|had|got|said|saw)\w+|\b(?:is|are) (?:strictly |explicitly )?(?:forbidden|prohibited|mandatory|not allowed|off.limits)\b|\b(?:that|which) prevents? (?:\w+ ){1,3}from ever\b"),
    ("all of them must", r"\b(?:every|each|all|any|new)\b.{1,60}\b(?:must|shall|needs? an?|has to|have to)\b|\bmust (?:be \w+ed|have|include|go|use|match|stay|live|pass)\b.{1,80}\b(?:otherwise|or else|unless|before)\b"),
    ("should not be done", r"\b(?:should|must|may|can)(?:n't| not| never)(?: ever)? be (?:\w+ )?(?:\w+ed|put|kept|set|run|written|built|read|done|checked|in)\b"),
    ("requires", r"\b(?:requires?|require[ds]|needs? to be|has to be|have to be|must be|is required|are required|mandates?|enforces?)\b"),
    ("what the rules say", WHAT_THE_RULES_SAY),
    ("only", r"\b(?:only|exclusively|solely|at most|at least|up to|exactly)\b"),
    ("speaks of many", r"^(?:all|each|every|both)\b|^(?:[a-z▪-]+ ){0,2}[a-z-]{3,}s (?:are|go|live|use|run|have|get|come|share|inherit|extend|register|return|call|follow|stay|do)\b"),
    ("each or all", r"\b(?:each|every|all|any|both)\b"),
    ("it does something", rf"(?:▪|\b[a-z][\w-]+s?\b) (?:already |also |now |still |then |automatically |explicitly |currently |only )?(?:{_DOES})\b"),
    ("how the project does it", r"\b(?:project|codebase|repo|repository|code|tests|app|application|cli|package|module|system|service|server|client|backend|frontend|pipeline|build|we)(?: here| already| currently| also| always| all)? (?:uses?|follows?|stores?|keeps?|relies|rely|lives?|writes?|reads?|is (?:built|organi[sz]ed|structured|split|written))\b"),
    ("its place or duty", r"\b(?:responsible for|in charge of|lives? in|resides? in|entry ?points?|source of truth|naming convention|by convention|is the (?:only|single|main|central))\b"),
    ("code does something", rf"▪(?: \w+)? (?:already |also |now |still |then |automatically |explicitly |currently |only )?(?:{_DOES})\b"),
    ("is a thing", r"\b(?:is|are|was) (?:the|a|an|one|our|its|just|separate|part of|responsible)\b"),
    ("is kept somewhere", r"\b(?:is|are|gets?|lives?|sits?|stored|kept|built|defined|configured|located|written|read|registered|created|loaded|implemented|handled|pushed|comes?|exists?)(?: \w+){0,2} (?:in|at|under|from|via|by|through|inside|on|to) (?:the |a |an |its |our )?(?:▪|\w+[./]\w+|config|own)"),
    ("is done somewhere or by something", r"\b(?:is|are|gets?) (?:\w+ly |not |only |then |first |also )?(?:\w+ed|built|written|read|kept|set|run|sent|done|hidden|shown|split|put|made|held|found|sent) (?:\w+ )?(?:in|at|under|from|via|by|through|into|on|to|with|as|using|per|before|after|when) "),
    ("is done to", r"\b(?:is|are|gets?|stays?|remains?) (?:\w+ly |not |now |only |still |also |already )?(?:\w+ed|built|written|read|kept|set|run|sent|done|hidden|ignored|gitignored|shown|split|put|separate)\b"),
    ("already or currently", r"\b(?:already|currently|existing|historically|today|at present|existed|legacy|formerly|previously)\b"),
    ("by default", r"\b(?:default\w*|fallback|falls? back|convention|by convention|same (?:\w+ )?(?:pattern|convention|way|approach)|pattern|source of truth|structure|architecture)\b"),
    ("contrast", r"\b(?:but|however|while|whereas|although|though|even (?:if|when|though)|despite|yet)\b|; "),
    ("when something happens", r"\b(?:when|whenever|unless|after|before|once|during|while|on each|on every|if)\b"),
    ("a value", r"\b\d+(?:\.\d+)? ?(?:mb|kb|gb|ms|s|sec\w*|min\w*|hours?|days?|%|bytes?|tokens?|lines?|requests?|retries)\b|\b[45]\d\d\b|▪? ?= ?\S|\(▪\)"),
    ("may be", r"\b(?:would|could|might|may|maybe|perhaps|suppose\w*|possibl[ey]|probably|likely|whether|hopefully|seems?|appears?|presumably|potential\w*|ideally|imagine|think|guess|assume|suspect|unlikely|unclear|not sure|vielleicht|würde|könnte|quizás|tal vez|podría|peut-être|pourrait|talvez|poderia|forse|potrebbe)\b|(?:возможно|может быть|也许|可能|或许|かもしれ|아마|지도 모르)"),
    ("should", r"\bshould\b|\bought\b"),
    ("a part of a finding", r"^(?:scenario|results?|impact|action|suggest\w*(?: fix)?|when this happens|effect|recommend\w*|location|severity|rationale|why(?: it matters)?|example|fix)\b[^:.]{0,30}:"),
    ("said by another", r"\b(?:claim(?:s|ed)|review(?:er)?s?(?: tool)?(?: output)? (?:says|said|claims|reports|compares)|reported (?:that|by)|(?:docs?|output|log|page|message|comment|readme) (?:says?|said|shows?|states?|tells?|asks?)|supposedly|allegedly)\b"),
    ("cites lines", r"^(?:lines?|l) ?\d"),
    ("code does not", r"▪(?: \w+)? (?:does not|doesn't|do not|don't|did not|didn't|is not|isn't|are not|aren't|never|cannot|can't|lacks|fails to|still|no longer)\b|^(?:the|our|this|your|its) [\w▪ -]{3,60} (?:does not|doesn't|do not|don't|cannot|can't|never|lacks|fails to|is missing|is not|isn't)\b"),
    ("only for this task", r"\b(?:in|for|of|to) this (?:pr|commit|branch|task|change|run|session|one|review|pass)\b|\bthis (?:pr|commit|branch)\b|\bas requested\b|\bfulfilling\b|\bper your request\b|\btask complete\b"),
    ("code is so", r"▪(?: \w+)? (?:is|are) (?!going|not (?:yet|committed))"),
    ("what is named changes its place or name", r"▪ (?:→|->|=>) ▪|\bfrom ▪ to ▪|▪ instead of ▪"),
    ("names only a file", r"^(?:\w+ )?(?:(?:the|a|an|new|separate) )*▪(?: file)?[:.]?$|^(?:\w+ ){1,3}(?:in )?▪(?:,? (?:and )?▪){0,5}[:.]?$"),
    ("severity", r"^\W{0,3}(?:\[?(?:high|medium|low|critical|major|minor|blocker|p[0-3])\]?)\b ?(?:\([^)]{1,30}\))?\s?[:–—/-]"),
    ("status", r"\b(?:pass(?:es|ed|ing)?|green|pushed|pushing|committed|committing|done|verified|verifying|verification|completed|completes|task complete|ready|success\w*|succeed\w*|merged|merging|rebas\w+|all good|compiles?|checking|waiting|up to date|finished)\b|\b(?:is|are|looks|builds?|lints?|lint is|tree is) (?:now )?clean\b"),
    ("of the work", r"\b(?:pull request|prs?|branch(?:es)?|commits?|diff|working tree|worktree|untracked|checkout|lint|hunks?|origin|upstream)\b|#\d+|\bmain\b"),
    ("tests", r"(?<![\w-])(?:unit |integration |e2e |regression )?tests(?![\w-])|\btest (?:coverage|suites?|cases?|files?|runs?)\b|\b(?:the|a|this|new|failing|unit|integration|regression) test(?![\w-])|\btested\b|\btesting\b|\bassert(?:s|ed|ions?)?\b"),
    ("documents", r"\b(?:docs?|documentation|comments?|readme|changelog|docstrings?|godoc|help text|wording|summary|guide)\b"),
    ("praise", r"\b(?:good|great|perfect\w*|excellent|nice\w*|clear(?:ly|er)?|comprehensive\w*|focused|minimal|sound|looks?|correct(?:ly)?|consistent|useful|valuable|reasonable|properly|straightforward|meaningful|compact|clean(?:er)?|right choice|concise|simple|robust\w*|solid|appropriate|well)\b"),
    ("of this moment", r"\b(?:right now|for now|just now|at the moment|this time|yet|again|first|next|step|continue|current(?:ly)? (?:status|state|branch|pending)|remaining|so far|before (?:editing|committing|pushing|deleting|running)|locally)\b"),
    ("begins with a pronoun", r"^(?:so |but |and |also,? |then )?(?:it|this|that|these|those|they|them|both|here|there|which|same|one|either|neither)\b"),
    ("begins with code", r"^(?:the |a |an |in |your |our |and )?[\"'(]?▪"),
    ("begins with the", r"^(?:the|our|your|its|all|each|every) "),
    ("begins with a label", r"^[▪\w][▪\w ./&()+-]{1,50}(?::| [—–-]|–|—) "),
    ("two or more things are told apart", r"\bnot\b.{1,60}\b(?:but|only|just)\b|\b(?:separate|distinct|different|distinction|difference)\b|\bonly\b.{1,60}\bnot\b|, not \w+"),
    ("of who says it", r"\b(?:i|i've|i'm|my|me)\b"),
    ("of you", r"\b(?:you|your|you're|you've)\b"),
    ("found", r"\b(?:found|identified|spotted|discovered|see the|problem found|found it)\b"),
    ("mends it", r"\b(?:fix(?:ed|es)?|solution|solved|resolv(?:ed|es)|workaround|mends?|by (?:adding|using|removing|changing|moving|making|setting|passing|checking|updating))\b"),
    ("was", r"\b(?:was|were|had|did|didn't|wasn't|weren't)\b"),
)  # fmt: skip

ASSISTANT: Final = _rows(
    ("reports a change", rf"{_LEAD}(?:also |successfully |intentionally )?(?:{_CHANGED})\b"),
    ("a small part", rf"{_LEAD}(?:{_CHANGED}) (?:an? |the |two |three |some |missing |unused |more |new |both )?(?:imports?|fields|(?:unit |regression )?tests?|test \w+|types?|comments?|docs?|helpers?|assertions?|cases?|lint\w*|formatting|typos?)\b"),
    ("I changed it", rf"\b(?:i|we)(?:'ve| have| had)?(?: also| now| already| just| successfully)? (?:{_CHANGED})\b"),
    ("a change is reported later on", rf"[—–:,;] (?:and )?(?:also )?(?:{_CHANGED})\b"),
    ("adds it", r"^(?:this|it|the (?:pr|commit|change|patch|fix|branch|update|diff)|▪|pr ▪)(?: \w+)? (?:adds|removes|replaces|changes|introduces|moves|makes|enables|renames|implements|fixes|updates)\b"),
    ("is needed", r"\b(?:needs? to|need|needs|will need|remains? to|still (?:has|have|need)|to be (?:done|fixed|updated|added))\b"),
    ("an order or a suggestion", rf"{_LEAD}(?:also |please |then |just |only )?(?:{_ORDERS}|check|verify|try|create|review|document|consider|attach|start|commit|push|wait|test|see|read|let|define|choose|move)\b(?! (?:is|are|was|were)\b)"),
    ("a suggestion", r"\b(?:suggest\w*|recommend\w*|option|alternative\w*|proposed?|proposal|consider|advice|feel free|let me know|if you(?:'d| want| would| have| only)|best place|action)\b"),
)  # fmt: skip

_ASKED_OF_ANYBODY = (
    "look|check|review|explain|tell|show|see|investigate|try|run|propose|suggest|confirm|find|help|do|have|get|be|create|generate|write|give|"
    "list|commit|push|merge|continue|test|read|open|start|think|recommend|describe|summari[sz]e|make sure|clean up|verify|debug|figure|implement"
)
ORDERS_IT: Final = (
    r"^(?:sure,? |ok(?:ay)?,? |yes,? |no,? |also,? |and |but |please |now |then |just |first,? )*"
    rf"(?:(?:can|could|would) (?:you|we) (?:also |please |just )?(?!(?:{_ASKED_OF_ANYBODY})\b)[a-z]+|(?:please )?(?:{_ORDERS}))\b"
)
PERSON: Final = _rows(
    ("orders it", ORDERS_IT),
    ("we shall", r"\b(?:let's|lets|let us|we should|we shall|we must|i'd like|i would like|i think we should|should be|should (?:handle|only|not|never|always))\b|\b(?:we'll|we will|we're|we are)(?: going to| just)? (?:use|using|keep|keeping|go|going|stick\w*|drop\w*|switch\w*|mov\w+|stay\w*)\b|\bi want (?:it|the|this|all|every|each|no|them)\b"),
    ("an order for good", r"^(?:please )?(?:do not|don't|avoid|make sure|ensure|remember|prefer) (?!worry|mind|know|think|have|understand|see)\w+"),
    ("says a preference", r"\b(?:i'd (?:prefer|rather)|i would (?:prefer|rather)|don't want|do not want|no need for|not needed|no longer needed|i no longer|don't like|should rather|instead of)\b"),
    ("asks for work now", r"(?:^|\b(?:please|you|and|then|also|just|to|me|now),? )(?:look|check|review|explain|tell me|show me|commit|push|merge|investigate|try|run|continue|report|stop after|propose|suggest|generate|confirm|test|clean up|checkout|write (?:me|to)|create|start|implement|examine|read)\b"),
)  # fmt: skip

HEADINGS: Final = _rows(
    ("under causes", r"\b(?:root cause|cause|problem|issue|bug|what happened|why|findings?|risks?|concern)\b"),
    ("under changes", r"\b(?:change[sd]?|fix(?:es|ed)?|solution|what i|implemented|updated?|added|done|accomplished|decisions?|result|created|now|implementation|configured|setup)\b"),
    ("under notes", r"\b(?:notes?|how (?:it|this)|architecture|structure|overview|current|production|behaviou?r|configuration|key|important|policy|isolation|optimi[sz]ation)\b"),
    ("under plans", r"\b(?:plan|next|to-?dos?|options?|alternatives?|questions?|propos\w+|suggest\w*|recommend\w*|future|follow-?ups?|steps|remaining|goals?|considerations?|ideas?|examples?|how to|required|needed|to (?:fix|modify|do)|would|breakdown|purpose|contents|must|should)\b"),
    ("under proofs", r"\b(?:verif\w+|tests?|validation|results?|status|passed|checks?|files|list|tool use|summary|scripts|documentation|line-by-line|benefits?)\b"),
)  # fmt: skip


_BY_NAME: Final = {**dict(EVERYONE), **dict(ASSISTANT)}
LEADS: Final = tuple((name, _BY_NAME[name]) for name in ("reports a change", "now"))
BEFORE: Final = tuple((name, _BY_NAME[name]) for name in ("the cause is named", "found", "severity"))
AFTER: Final = tuple((name, _BY_NAME[name]) for name in ("a consequence is told",))


_CAUSES: Final = frozenset({"a cause is told", "is due to"})
_FAILURES: Final = frozenset({"something fails", "does not do", "code does not"})
_BEHAVIOUR: Final = frozenset(
    {"it does something", "code does something", "is done somewhere or by something", "is kept somewhere", "is done to"}
)
_ELSE: Final = frozenset(
    {"status", "of this moment", "of the work", "of who says it", "was", "may be", "something fails", "does not do", "tests",
     "documents", "praise", "a suggestion", "an order or a suggestion", "reports a change", "I changed it", "is needed", "now",
     "no longer", "under plans", "begins with a pronoun", "announces", "said by another", "the cause is named",
     "names no code", "under 6 words"}
)  # fmt: skip


class Seen(NamedTuple):
    """A sentence in lower case: with a mark for each quotation and piece of code, and bare of names and asides too."""

    marked: str
    bare: str


@lru_cache(maxsize=16)  # a sentence is looked at for itself, and as the neighbour of two others
def see(text: str) -> Seen:
    """Return the forms of a sentence that are looked at."""
    marked = _QUOTED.sub("◦", _CODE.sub("▪", text.replace("’", "'")))
    bare = _NAME.sub("▪", _MARK.sub("◈ ", marked)).lower()
    lead = _BEFORE.match(bare)
    bare = bare[lead.end() :] if lead else bare
    aside = _ASIDE.search(bare)
    if aside and len(WORD.findall(bare[: aside.start()])) >= _WHOLE:
        bare = bare[: aside.start()]
    return Seen(marked.lower(), bare)


def cues(sentence: Sentence, seen: Seen, role: str) -> list[str]:
    """Return the names of what can be seen in a sentence, around it and above it."""
    folded = seen.bare
    said = [name for name, pattern in EVERYONE if pattern.search(folded)]
    said += [name for name, pattern in (PERSON if role == "user" else ASSISTANT) if pattern.search(folded)]
    above = sentence.heading.lower()
    if len(sentence.lead) < _AS_A_HEADING:
        above += "\n" + sentence.lead.lower()
    if above.strip():
        said += [name for name, pattern in HEADINGS if pattern.search(above)]
    if sentence.lead:
        lead = see(sentence.lead).bare
        said += ["announced: " + name for name, pattern in LEADS if pattern.search(lead)]
    if sentence.previous:
        before = see(sentence.previous[-NEAR:]).bare
        said += ["before it: " + name for name, pattern in BEFORE if pattern.search(before)]
    if sentence.following:
        after = see(sentence.following[:NEAR]).bare
        said += ["after it: " + name for name, pattern in AFTER if pattern.search(after)]
        if "severity" in said:
            said.append("a finding that is told after it")
    if _MARK.search(sentence.text[:_FRONT]):
        said.append("a mark of judgement")
    words = len(WORD.findall(folded))
    said.append(CODES[min(folded.count("▪"), len(CODES) - 1)])
    said += [name for name, least, most in LENGTHS if least <= words <= most]
    if folded.endswith(":"):
        said.append("announces")
    if sentence.is_item:
        said.append("an item of a list")
    if role == "user":
        said.append("the person says it")
    if not _CAUSES.isdisjoint(said) and not _FAILURES.isdisjoint(said):
        said.append("a failure is told with its cause")
    if role != "user" and not _BEHAVIOUR.isdisjoint(said) and _ELSE.isdisjoint(said):
        said.append("nothing but how it behaves")
    return said
