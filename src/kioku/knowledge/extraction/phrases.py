# ruff: noqa: E501 - a phrase stands on one line, however long
"""The phrases by which people and assistants say what was decided, what holds, how things are done, and what was wrong.

Each is tried on one sentence of a bounded length, in lower case, in which code and quotations are a mark; every gap in
one is bounded. A number beside a phrase is how much it says by itself, from 0 to 1.
"""

import re
from typing import Final, NamedTuple

DECISION: Final = "decision"
RULE: Final = "rule"
PATTERN: Final = "pattern"
ISSUE: Final = "issue"
TYPES: Final = (DECISION, RULE, PATTERN, ISSUE)


class Phrase(NamedTuple):
    """A phrase of one type; `by` is who must say it, "" for anybody."""

    type: str
    weight: float
    pattern: "re.Pattern[str]"
    by: str = ""


def _rows(type: str, *rows: tuple[float, str] | tuple[float, str, str]) -> list[Phrase]:
    return [Phrase(type, row[0], re.compile(row[1]), row[2] if len(row) > 2 else "") for row in rows]


_WE = r"(?:we|i|you|they|the team|user)"
_THING = r"(?:the |this |our |your |all |each |every )?(?:[\w▪'./-]+ ){1,5}"

ENGLISH: Final = [
    *_rows(
        DECISION,
        (0.85, r"\b(?:decided|agreed|chose|opted|elected|settled)\b(?: \w+)? (?:to|on|for|that|not|against|upon)\b"),
        (0.8, r"\bchose\b|\b(?:have|has|'ve) (?:chosen|picked|settled|standardi[sz]ed)\b"),
        (0.8, r"\b(?:decision|design choice|choice|resolution|approach taken)\b(?: (?:was|is)(?: made)?)?(?: to\b|:| that\b)"),
        (0.75, r"\b(?:went|going|go|gone|stuck|sticking|stick) with\b"),
        (0.7, r"\b(?:switched|migrated|moved|converted)\b.{0,60}\b(?:to|from)\b.{1,80}"),
        (0.65, r"\b(?:replaced|swapped)\b.{1,80}\b(?:with|by|for)\b"),
        (0.75, r"\blet'?s\b(?: \w+)? (?:go with|use|keep|stick|drop|not|remove|switch|rename|make|skip|leave|call|do)\b", "user"),
        (0.7, r"\b(?:we'll|we will|i'll|we are going to|we're going to|we're) (?:use|go with|keep|stick|drop|not|be using|using|adopt)\b", "user"),
        (0.6, r"\b(?:use|uses|using|used|keep|kept|made|prefer|store|call|return|read|write)\b.{1,100}\b(?:instead of|rather than)\b"),
        (0.62, r"\b(?:changed|moved|renamed|removed|dropped|kept|merged|simplified|extracted|made|added|split)\b.{1,140}\b(?:instead of|rather than|so that|because|since|to avoid|to prevent)\b"),
        (0.6, r"\b(?:intentionally|deliberately|by design|on purpose)\b"),
        (0.6, r"^(?:sure,? |also,? |and )?(?:can|could|please)? ?(?:you |we )?(?:please )?(?:remove|drop|rename|replace|use|make|move|keep|configure|exclude|disable|enable|update|fix|change)\b.{4,160}\b(?:no longer|instead|rather|so (?:that )?|don't want|won't|not|only|never|because|since|to be|but)\b", "user"),
        (0.58, r"^(?:use|fail|add|trigger|keep|store|return|reject|skip|default)\b.{0,80}(?:▪|\bif\b|\bon\b|\bat\b)", "user"),
        (0.6, r"\b(?:kept|adopted|added|updated|enabled|disabled|excluded|require[sd]?|pinned|capped)\b.{0,140}(?:\b(?:before|after|by|from|only|early|unless|now)\b)", "assistant"),
        (0.6, r"\b(?:is|are) (?:now|no longer) \w+|\bnow (?:uses?|matches|rejects?|returns?|requires?|goes|lives?|excludes?|rejected|supports?|detects?|defaults?)\b|\bno longer \w+s\b", "assistant"),
        (0.6, r"\bno longer (?:use|need|support|store|require|call|rely)\w*\b"),
        (0.6, r"\bi (?:want|would like|prefer|'d prefer|'d like|think we should)\b.{0,60}\b(?:instead|rather|keep|use|only|not)\b", "user"),
    ),
    *_rows(
        RULE,
        (0.85, r"\bmust (?:always|never|not)\b|\b(?:should|shall|may|can) (?:always|never)\b|\bmust(?:n't| only)\b"),
        (0.8, r"\bfrom now on\b|\bas a rule\b|\brule of thumb\b|\bby policy\b|\bno exceptions\b"),
        (0.75, r"^(?:please )?(?:always|never)\b"),
        (0.7, r"\b(?:we|you|i) (?:always|never) (?!been|seen|had|get|got|see)\w+\b"),
        (0.7, r"\b(?:is|are) (?:forbidden|not allowed|prohibited|mandatory|off[- ]limits)\b"),
        (0.62, r"\bmust (?:be|have|use|match|go|come|live|stay|pass|run|include|contain|follow|match|remain|return|exist|call|happen|set|start|end)\b"),
        (0.62, r"^(?:please )?(?:do not|don't|avoid|prefer|only use|use only|make sure to always|ensure that|remember to|remember that)\b"),
        (0.62, r"\bshouldn't be (?:tracked|committed|stored|used|edited|checked in)\b|\bshould (?:handle|stay|remain)\b.{0,60}\b(?:automatically|always|only)\b"),
        (0.6, r"\bwe (?:don't|do not) (?:use|want|need|commit|allow|support|write|do|mock)\b"),
        (0.6, r"\b(?:should|shouldn't|should not) (?:only|not|be|use|never|have|live|go|follow|match)\b", "user"),
        (0.62, r"\b(?:convention|guideline|requirement|policy|rule)s? (?:is|are|says?|states?|requires?|:)"),
        (0.55, r"\b(?:needs?|ha(?:s|ve)) to (?:be|always|match|stay|use)\b.{0,80}\b(?:before|every|each|all|always|otherwise)\b"),
    ),
    *_rows(
        PATTERN,
        (0.72, r"\b(?:project|codebase|repo|repository|code|tests?|app|cli|package|module|system|service|hooks?|commands?|handlers?|agents?) (?:already |currently |also )?(?:uses?|follows?|stores?|relies|keeps?|works? by|lives?|writes?|reads?)\b"),
        (0.7, r"\bwe (?:currently |already |also )?(?:use|follow|store|keep|rely on)\b"),
        (0.68, r"\b(?:is|are|gets?) (?:stored|saved|kept|persisted|written|located|defined|configured|implemented|registered|handled|managed|generated|loaded|tracked|read|created|built|done|wired)\b(?: \w+){0,2} (?:in|under|at|as|via|through|by|from|on|using)\b"),
        (0.75, r"\b(?:follow(?:s|ing)?|uses?|same) (?:the |a |this |that |an )?(?:same |existing |standard |established |\w+ )?(?:pattern|convention|approach|structure|style|format)\b"),
        (0.72, r"\b(?:naming )?convention\b|\bby convention\b|\bsource of truth\b|\bentry ?point (?:is|for)\b"),
        (0.6, r"\bis separate from\b|\bshows? .{3,80}\bnot\b|\bdoes not (?:list|show|include|touch|read|write|use)\b|\bare (?:configured|kept) (?:in|via)\b|\bcomes? from\b", "assistant"),
        (0.6, r"\b(?:runs|is run|spawns|is called|is spawned|fires) (?:during|on each|before|after|when|as|at|on|the)\b"),
        (0.62, r"\b(?:is|are) responsible for\b|\blives? in\b|\bresides? in\b"),
        (0.53, r"▪ (?:uses?|handles?|stores?|reads?|writes?|returns?|calls?|delegates?|wraps?|implements?|contains?|provides?|creates?|defines?|parses?|manages?)\b"),
        (0.5, r"\b(?:each|every|all) [\w▪ -]{2,40}(?:has|have|uses?|gets?|goes?|go|is|are|lives?|implements?|returns?)\b"),
        (0.52, r"^[\w▪' -]{2,50}\b(?:uses|use|stores|follows|relies on|delegates to)\b.{3,120}\b(?:for|to|via|as|in|with)\b"),
    ),
    *_rows(
        ISSUE,
        (0.88, r"\broot cause\b|\bculprit\b|\bunderlying (?:issue|problem|cause|bug)\b"),
        (0.8, r"\bthe (?:real |actual |main |core |key |only |first |second |other )?(?:issue|problem|bug|reason|cause|failure|error|trouble|catch)s?(?: here| now)? (?:is|was|were|are|comes?|came|happens?|happened|occurs?|occurred|lies|stems)\b"),
        (0.78, r"\b(?:fail\w*|broke\w*|break\w*|crash\w*|hang\w*|hung|error\w*|block\w*|miss\w*|reject\w*|wrong|incorrect\w*)\b.{0,120}\b(?:because|due to|caused by|since|as a result of)\b"),
        (0.76, r"\b(?:because|due to|since|caused by)\b.{1,120}\b(?:fail\w*|broke\w*|breaks?|crash\w*|hang\w*|hung|error\w*|not found|missing|wrong)\b"),
        (0.76, r"\bfixed\b.{1,120}\b(?:by|so that|where|that|which|in|to|with)\b|^fixed\b(?! it\b| that\b)"),
        (0.74, r"\b(?:was|is|were|are) caused by\b|\b(?:this|that|which) (?:caused|causes|breaks|broke|leads? to|led to|means? that)\b"),
        (0.74, r"\bthe (?:fix|solution|workaround|remedy)(?: here)? (?:is|was|for)\b|^(?:fix|solution|bug|problem|issue|cause|workaround)\s?(?:\d+\s?)?:"),
        (0.66, r"\b(?:found|identified|see|understand|discovered|spotted) (?:the|a|an|two|another|one) (?:real |actual |\w+ )?(?:issue|problem|bug|root cause)\b"),
        (0.62, r"\b(?:there(?:'s| is| was)|has|have|had|is|hit) an? (?:\w+ ){0,3}(?:bug|race condition|regression|leak|deadlock|mismatch|limitation|gotcha|edge case)\b"),
        (0.6, r"\b(?:doesn't|does not|didn't|did not|can't|cannot|isn't|is not|aren't|wasn't|weren't|won't|never)\b.{1,140}\b(?:because|since|so|but|which|due to)\b"),
        (0.68, r"\b(?:causes?|caused|causing)\b.{3,80}\b(?:fail|error|crash|conflict|loss|break|wrong)\w*\b"),
        (0.6, r"\balways (?:yields?|returns?|fails?|empty)\b.{0,40}\b(?:empty|nothing|null|false|wrong|diff|error)\b"),
        (0.7, r"^(?:high|medium|low|critical|p[0-3])\b ?(?:\([^)]{1,20}\))? ?[:–—-].{20,}"),
        (0.6, r"\b(?:without (?:this|that|it)|so it|silently)\b.{3,160}\b(?:ignor|return|skip|drop|los[et]|fail|empty|never|overwr|wrong|compar)\w*\b"),
        (0.6, r"\b(?:too broad|bypass\w*|never enforced|not enforced|wrapped again|hard-?coded|is ignored|are ignored|silently \w+)\b"),
        (0.58, r"\b(?:fails?|failed|failing|crash(?:es|ed)|hangs?|breaks?|errors? out|timed out|times out) (?:when|with|on|if|in|after|for|at)\b"),
    ),
]  # fmt: skip

# In other languages, phrases for decisions and rules, and of issues the plainest.
ELSEWHERE: Final = [
    *_rows(
        DECISION,
        (0.8, r"\b(?:wir haben (?:uns )?(?:entschieden|beschlossen|festgelegt)|(?:haben|habe) (?:uns|mich)? ?(?:dafür|dagegen|für) .{0,80}entschieden|entscheidung:|wir (?:nehmen|verwenden|nutzen|setzen) (?:ab )?(?:jetzt|künftig|nun)|entschieden uns|beschlossen)\b"),
        (0.8, r"\b(?:hemos decidido|decidimos|se decidió|optamos por|hemos optado|decisión:|acordamos|elegimos|vamos a usar|nos quedamos con)"),
        (0.8, r"\b(?:nous avons décidé|on a décidé|nous avons (?:choisi|opté|retenu)|on a (?:choisi|opté)|décision ?:|on part sur|c'est décidé)"),
        (0.8, r"\b(?:decidimos|foi decidido|optamos por|decisão:|escolhemos|vamos usar|ficou decidido|resolvemos)"),
        (0.8, r"\b(?:abbiamo deciso|abbiamo scelto|si è deciso|abbiamo optato|decisione:|optiamo per|useremo)"),
        (0.8, r"(?:мы решили|решили|было решено|решено|выбрали|договорились|остановились на|решение:|приняли решение)"),
        (0.8, r"(?:我们决定|决定(?:使用|采用|用|了|把|将|不)|选择了|改用|最终选|一致同意|采用了)"),
        (0.8, r"(?:ことにしました|ことに決め|と決めました|に決定|を採用(?:する|しました)|決めた|ことにした|ことになりました)"),
        (0.8, r"(?:하기로 (?:했|결정|합의)|기로 했|결정했|채택했|선택했|쓰기로)"),
    ),
    *_rows(
        RULE,
        (0.75, r"\b(?:(?:muss|müssen|darf|dürfen|soll|sollen) (?:immer|nie|niemals|nicht|nur|stets)|niemals|grundsätzlich|ab sofort|auf keinen fall)\b|^(?:immer|nie)\b"),
        (0.75, r"\b(?:siempre (?:hay|se|debe|usa|debemos)|nunca (?:se|hay|debe|uses|hagas)|debe(?:n|mos)? (?:siempre|ser)|está prohibido|no se (?:debe|permite))|^(?:siempre|nunca)\b"),
        (0.75, r"\b(?:il faut toujours|il ne faut (?:jamais|pas)|(?:doit|doivent|devons) (?:toujours|être)|ne (?:doit|doivent) (?:jamais|pas)|est interdit)\b|^(?:toujours|jamais|ne .{1,30} jamais)\b"),
        (0.75, r"\b(?:(?:deve|devem|devemos) (?:sempre|ser)|nunca (?:se )?(?:deve|use|faça)|é proibido|não se deve|não pode(?:mos)? nunca)\b|^(?:sempre|nunca)\b"),
        (0.75, r"\b(?:(?:deve|devono|dobbiamo|bisogna) (?:sempre|essere)|non (?:deve|devono|si deve|bisogna) mai|è vietato)\b|^(?:sempre|mai)\b"),
        (0.75, r"(?:всегда (?:нужно|надо|следует|использу)|никогда не|нельзя|обязательно (?:нужно|надо)?|должн[ыао]? (?:всегда|быть)|запрещено)"),
        (0.75, r"(?:必须|绝不|永远不要|不允许|禁止|一律|务必|始终(?:使用|要)|总是要|不得)"),
        (0.75, r"(?:必ず|常に.{0,20}(?:こと|する)|してはいけない|してはならない|禁止|絶対に|しないこと|すること。?$)"),
        (0.75, r"(?:반드시|절대(?:로)? |항상 .{0,30}(?:해야|한다|하세요)|금지|하지 (?:마|말|않)|해야 (?:한다|합니다))"),
    ),
    *_rows(
        ISSUE,
        (0.75, r"\b(?:die ursache (?:war|ist)|das problem (?:war|ist|lag)|lag daran|behoben)\b"),
        (0.75, r"\b(?:la causa (?:era|fue|es)|el problema (?:era|fue|es)|le problème (?:était|est|venait)|la cause (?:était|est)|o problema (?:era|foi|é)|il problema (?:era|è))\b"),
        (0.75, r"(?:причина (?:была|в том)|проблема (?:была|в том)|根本原因|问题(?:是|在于|出在)|原因是|原因は|問題は|원인은|문제는)"),
    ),
]  # fmt: skip

QUESTION: Final = re.compile(
    r"[?？]\W*$|^(?:and |so |but |ok(?:ay)?,? |also,? )?(?:should (?:we|i|it|the)|do (?:we|you|i)|does|did|is (?:it|there|this)|are (?:there|we|you)|"
    r"can (?:we|you|i)|could (?:we|you|i)|would (?:you|it|we)|what|which|why|how|where|who|when should|shall we|will (?:you|it))\b"
    r"|\b(?:do you want|would you like|let me know|not sure (?:if|whether)|wondering|i wonder|any thoughts)\b"
)
# A question that is an order: it asks for nothing to be told.
ORDER: Final = re.compile(
    r"^(?:also,? |and |sure,? )?(?:can|could) (?:you|we) (?:please )?(?:remove|drop|rename|replace|make|move|keep|configure|exclude|disable|enable|update|change)\b(?!.*[?？])"
)
HYPOTHETICAL: Final = re.compile(
    r"\b(?:would(?!n't be needed)|could|might|maybe|perhaps|suppose|supposedly|possibly|probably|likely|whether|hopefully|"
    r"i think|i guess|i assume|i suspect|seems?|appears?|presumably|potentially|ideally|imagine|what if|"
    r"vielleicht|würde|könnte|quizás|tal vez|podría|peut-être|pourrait|talvez|poderia|forse|potrebbe)\b"
    r"|(?:возможно|может быть|也许|可能|或许|かもしれ|아마|지도 모르)"
)
CONDITION: Final = re.compile(r"^(?:if|unless|in case|assuming|when you|once you)\b")
PLAN: Final = re.compile(
    r"^(?:(?:and|so|ok(?:ay)?|now|next|first|then|great|good|perfect|alright|finally|also|but|excellent|right|since .{1,80}),?!? ?)*"
    r"(?:i'll|i will|let me|let us|let's|i'm going to|i am going to|i need to|we need to|i should|i want to|i can|we can|we could|"
    r"we should|i plan|i'm (?:now )?(?:checking|looking|reading|running|going|adding|updating|using|making|patching)|next(?:,| step)|"
    r"going to|time to|to do this|to fix this|you can|you could|you may|you might|feel free|want me to|consider|"
    r"ich werde|lass uns|voy a|je vais|vou|я буду|сейчас я)\b"
    r"|\b(?:i'll|i will|i'm going to|let me|we need to|i need to|still need to|needs to be (?:done|fixed|updated|added))\b"
)
# What is asked for at this moment and holds no longer.
MOMENT: Final = re.compile(
    r"\b(?:for now|right now|yet|this time|just now|at the moment|first,? (?:run|read|check|look)|again|please (?:run|check|fix|commit|push|"
    r"review|add|update|look|read|try|investigate|make)|go ahead|continue|try again|tests? pass(?:es|ed)?|all green|"
    r"build (?:succeeded|passes)|commit(?:ted)? (?:and|this|these)|pushed|lint(?:s|ing)? (?:passes|clean))\b"
)
VAGUE: Final = re.compile(
    r"^(?:(?:i |now i )?(?:found|see|understand|identified|spotted|fixed|resolved) (?:the|a|an|one|it|this|both|all)\b.{0,50}|the (?:fix|change|issue|problem|error|failure) (?:is|was|has been) (?:pushed|ready|straightforward|fixed|working|in|the)\b.{0,60}|"
    r"all (?:changes|tests|checks|files) .{0,60})[.!:]?$|\b(?:pushed|merged) as\b|\b(?:i'm|i am) \w+ing\b|\b(?:the )?(?:dispatched|sub-?)agents?\b|\bmany projects\b|\bunder the current design\b|\bexit code\b|\bsuccessfully\b|\bi (?:did not|didn't) \w+|^(?:suggested|possible|proposed|claimed|[\w/() ]{1,20}: claimed)\b|\bonly if\b|\bdry.?run\b.{0,40}\bexits\b|\bappears? (?:fixed|to be)\b"
)
REPORTED: Final = re.compile(r"^(?:added|updated|fixed|changed|removed|refactored|improved|implemented)\b")
DANGLING: Final = re.compile(
    r"^(?:so |but |and |also,? |then )?(?:it|this|that|these|those|they|them|he|she|both|here|there|which|same|one|either|neither)\b(?! (?:project|repo|repository|codebase|file|package|module|function|command|test|tests|code))"
)
LEAD: Final = re.compile(
    r"^(?:(?:so|ok(?:ay)?|well|great|perfect|good|right|yes|no|yeah|actually|indeed|now|also|and|but|ah|hmm|alright|note|"
    r"important|summary|finally|excellent|understood|got it|good (?:question|catch|point|idea)|great (?:question|catch|point))"
    r"\s?[,:!.—–-]+\s+|(?:so|and|but|also|now|actually) (?=\w))+",
    re.IGNORECASE,
)
SAID_BY_A_FILE: Final = re.compile(
    r"\b(?:readme|contributing|agents\.md|claude\.md|changelog|docs?|documentation|guide|guidelines?|comments?|file|spec\w*|page|issue|"
    r"website|manual|instructions?|output|log|logs|message)\b[^.]{0,30}\b(?:says?|said|states?|tells?|reads?|notes?|mentions?|requires?|recommends?|instructs?|asks?)\b"
    r"|\baccording to\b|\bas (?:stated|written|documented|described|mentioned) in\b|\b(?:quote|quoted|quoting)\b"
)
SOLVED: Final = re.compile(
    r"\b(?:fix(?:ed|es)?|solution|solved|resolv(?:ed|es)|workaround|now (?:uses?|works?|returns?|handles?|checks?)|changed|replaced|added|removed|"
    r"by (?:adding|using|removing|changing|moving|making|setting|passing|checking)|instead|updated|switched|behoben|gelöst|corregid\w+|corrigé|corrigid\w+|risolt\w+|исправ\w+)\b"
    r"|(?:修复|解决|修正|解決|수정|해결)"
)
