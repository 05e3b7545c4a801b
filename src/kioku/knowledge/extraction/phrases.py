# ruff: noqa: E501 - a phrase stands on one line, however long
"""Phrases by which other languages say what was decided, what holds and what went wrong.

Those by which any sentence leads in, tells what a file says, or tells a solution stand here too.
Each is tried on one sentence of a bounded length, in lower case, in which code and quotations are a mark; every gap in
one is bounded. What English says is seen by its `cues`.
"""

import re
from typing import Final, NamedTuple

DECISION: Final = "decision"
RULE: Final = "rule"
PATTERN: Final = "pattern"
ISSUE: Final = "issue"
TYPES: Final = (DECISION, RULE, PATTERN, ISSUE)


class Phrase(NamedTuple):
    """A phrase of one type."""

    type: str
    pattern: "re.Pattern[str]"


def _rows(type: str, *patterns: str) -> list[Phrase]:
    return [Phrase(type, re.compile(pattern)) for pattern in patterns]


ELSEWHERE: Final = [
    *_rows(
        DECISION,
        r"\b(?:(?:wir haben|ich habe|habe|haben) (?:uns |mich )?(?:entschieden|beschlossen|festgelegt|geeinigt|ausgewählt)|(?:wir haben uns|ich habe mich|haben uns|habe mich)\b.{1,60}\b(?:entschieden|geeinigt|festgelegt)|(?:wir|ich) (?:bleiben?|gehen?) (?:bei|mit) (?!dir|ihm|ihr)|(?:wir|ich) (?:steigen?|stellen?|wechseln?)\b.{1,80}\bum\b(?=[.,;]|$)|(?:wir|ich) wechseln? (?:auf|zu|von)\b|künftig (?:nutzen|verwenden|nehmen) wir|(?:haben|habe) (?:uns|mich)? ?(?:dafür|dagegen|für) .{0,80}entschieden|entscheidung:|wir (?:nehmen|verwenden|nutzen|setzen) (?:ab )?(?:jetzt|künftig|nun)|entschieden uns|beschlossen)\b",
        r"\b(?:(?:hemos|he) (?:decidido|elegido|optado|acordado)|he decidido|decidí\b|opté por|elegí\b|quedamos en|(?:vamos|voy) a (?:usar|pasar a|cambiar a|migrar a|quedar\w* con|dejar de)|(?:cambiamos|pasamos|migramos) (?:a|de)\b|ya no (?:usaremos|vamos a)|me quedo con|decidimos|se decidió|optamos por|hemos optado|decisión:|acordamos|elegimos|vamos a usar|nos quedamos con)",
        r"\b(?:j'ai (?:décidé|choisi|opté|retenu)|(?:nous avons|on a) convenu|(?:nous allons|on va|je vais) (?:utiliser|passer à|garder|adopter|remplacer|abandonner)|(?:nous passons|on passe|je passe) (?:à|de|sur)\b|(?:il a été|c'est) (?:décidé|convenu)|nous avons décidé|on a décidé|nous avons (?:choisi|opté|retenu)|on a (?:choisi|opté)|décision ?:|on part sur|c'est décidé)",
        r"\b(?:decidi\b|escolhi\b|optei por|resolvi\b|combinamos|(?:vou|vamos) (?:usar|passar a|mudar para|migrar para|trocar|adotar|manter|ficar com|parar de)|(?:mudamos|migramos|passamos) (?:para|a)\b|ficamos com|(?:tomei|tomamos) a decisão|decidimos|foi decidido|optamos por|decisão:|escolhemos|vamos usar|ficou decidido|resolvemos)",
        r"\b(?:ho (?:deciso|scelto|optato)|(?:abbiamo|ho) (?:concordato|stabilito)|(?:passiamo|passo|passeremo) (?:a|da|al|alla|all)\b|(?:useremo|userò|adottiamo|adotteremo|teniamo)\b|si passa a|mi sono deciso|ci siamo accordati|abbiamo deciso|abbiamo scelto|si è deciso|abbiamo optato|decisione:|optiamo per|useremo)",
        r"(?:(?:^|[^\w])(?:я решил(?:а)?|решил(?:а)? (?:перейти|использовать|оставить|отказаться|не)|выбрал(?:а)?|переходим на|перейд[её]м на|будем использовать|отказываемся от|остаёмся (?:на|с))|мы решили|решили|было решено|решено|выбрали|договорились|остановились на|решение:|приняли решение)",
        r"(?:我决定|我选择|决定(?:从|改|换|切换|继续|停止|放弃|先|在|以|由|让|采|选)|(?:我们|我)(?:将|会|要)?(?:改为|换成|切换到|改成|采用|选用)|不再使用|定为|敲定|我们决定|决定(?:使用|采用|用|了|把|将|不)|选择了|改用|最终选|一致同意|采用了)",
        r"(?:ことにします|ことを決定|に決め(?:た|ました)|を選び(?:ました)|を選んだ|に切り替え(?:る|ます|ました|た)|に変更(?:する|します|しました)|ことにしました|ことに決め|と決めました|に決定|を採用(?:する|しました)|決めた|ことにした|ことになりました)",
        r"(?:기로 (?:했|하였|결정|합의|정했|한다|합니다|함)|으로 결정|로 (?:바꾸|변경하|전환하|정했)|선택하기로|하기로 (?:했|결정|합의)|기로 했|결정했|채택했|선택했|쓰기로)",
        r"(?:(?:फैसला|फ़ैसला|निर्णय|तय) (?:किया|लिया|कर लिया|हुआ|कर दिया)|(?:हमने|मैंने) .{0,80}(?:चुना|चुन लिया|तय किया)|का (?:उपयोग|इस्तेमाल) करेंगे|पर (?:स्विच|शिफ्ट) कर)",
    ),
    *_rows(
        RULE,
        r"\b(?:(?:muss|müssen|darf|dürfen|soll|sollen) (?:immer|nie|niemals|nicht|nur|stets)|niemals|grundsätzlich|ab sofort|auf keinen fall)\b|^(?:immer|nie)\b",
        r"\b(?:siempre (?:hay|se|debe|usa|debemos)|nunca (?:se|hay|debe|uses|hagas)|debe(?:n|mos)? (?:siempre|ser)|está prohibido|no se (?:debe|permite))|^(?:siempre|nunca)\b",
        r"\b(?:il faut toujours|il ne faut (?:jamais|pas)|(?:doit|doivent|devons) (?:toujours|être)|ne (?:doit|doivent) (?:jamais|pas)|est interdit)\b|^(?:toujours|jamais|ne .{1,30} jamais)\b",
        r"\b(?:(?:deve|devem|devemos) (?:sempre|ser)|nunca (?:se )?(?:deve|use|faça)|é proibido|não se deve|não pode(?:mos)? nunca)\b|^(?:sempre|nunca)\b",
        r"\b(?:(?:deve|devono|dobbiamo|bisogna) (?:sempre|essere)|non (?:deve|devono|si deve|bisogna) mai|è vietato)\b|^(?:sempre|mai)\b",
        r"(?:всегда (?:нужно|надо|следует|использу)|никогда не|нельзя|обязательно (?:нужно|надо)?|должн[ыао]? (?:всегда|быть)|запрещено)",
        r"(?:必须|绝不|永远不要|不允许|禁止|一律|务必|始终(?:使用|要)|总是要|不得)",
        r"(?:必ず|常に.{0,20}(?:こと|する)|してはいけない|してはならない|禁止|絶対に|しないこと|すること。?$)",
        r"(?:반드시|절대(?:로)? |항상 .{0,30}(?:해야|한다|하세요)|금지|하지 (?:마|말|않)|해야 (?:한다|합니다))",
    ),
    *_rows(
        ISSUE,
        r"\b(?:die ursache (?:war|ist)|das problem (?:war|ist|lag)|lag daran|behoben)\b",
        r"\b(?:la causa (?:era|fue|es)|el problema (?:era|fue|es)|le problème (?:était|est|venait)|la cause (?:était|est)|o problema (?:era|foi|é)|il problema (?:era|è))\b",
        r"(?:причина (?:была|в том)|проблема (?:была|в том)|根本原因|问题(?:是|在于|出在)|原因是|原因は|問題は|원인은|문제는)",
    ),
]  # fmt: skip

LEAD: Final = re.compile(
    r"^(?:(?:so|ok(?:ay)?|well|great|perfect|good|right|yes|no|yeah|actually|indeed|now|also|and|but|ah|hmm|alright|note|"
    r"important|summary|finally|excellent|understood|got it|good (?:question|catch|point|idea)|great (?:question|catch|point))"
    r"\s?[,:!.—–-]+\s+|(?:so|and|but|also|now|actually) (?=\w))+",
    re.IGNORECASE,
)
SOLVED: Final = re.compile(
    r"\b(?:fix(?:ed|es)?|solution|solved|resolv(?:ed|es)|workaround|now (?:uses?|works?|returns?|handles?|checks?)|changed|replaced|added|removed|"
    r"by (?:adding|using|removing|changing|moving|making|setting|passing|checking)|instead|updated|switched|behoben|gelöst|corregid\w+|corrigé|corrigid\w+|risolt\w+|исправ\w+)\b"
    r"|(?:修复|解决|修正|解決|수정|해결)"
)
