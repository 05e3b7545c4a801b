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
        r"\bwir (?!würden|könnten|sollten|haben|hätten)\w+n .{2,80}\b(?:statt|anstelle)\b|\b(?:ich habe|wir haben)\b.{2,80}\b(?:ersetzt|umgestellt|umbenannt|entfernt|ausgebaut|verschoben|abgeschafft)\b",
        r"\b(?!pod|deber|habr)\w{3,}(?:emos|amos|imos)\b.{2,80}\ben (?:lugar|vez) de\b|\b(?:he|hemos) (?:reemplazado|sustituido|cambiado|renombrado|eliminado|quitado|movido|migrado)\b",
        r"\b(?:nous (?!pou|dev)\w+ons|on (?:garde|utilise|prend|met|stocke|passe)) .{2,80}\b(?:au lieu d|plutôt qu)|\b(?:j'ai|nous avons|on a) (?:remplacé|changé|renommé|supprimé|retiré|déplacé|migré)\b",
        r"\b(?:vamos|(?!pod|dev)\w{3,}remos|usamos|guardamos) .{2,80}\bem vez d(?:e|o|a)\b|\b(?:substituí|substituímos|troquei|trocamos|renomeei|removi|removemos|migrei|movi)\b",
        r"\b(?!poss|dobb|potr|dovr|abb)\w{2,}(?:iamo|remo)\b.{2,80}\b(?:invece (?:di|che|del|della)|al posto d(?:i|el|ella))\b|\b(?:ho|abbiamo) (?:sostituito|cambiato|rinominato|rimosso|eliminato|spostato|migrato)\b",
        r"(?:^|\bмы )(?!можем|будем)\w{3,}(?:им|ем|ём) .{2,80}\bвместо\b|\b(?:я |мы )?(?:заменил(?:а|и)?|переименовал(?:а|и)?|удалил(?:а|и)?|перен[её]с(?:ла|ли)?|перевели|убрал(?:а|и)?) \S",
        r"(?:替换成|替换为|改成了|换成了|取代了|移除了|删除了)|(?:に置き換え(?:ました|た)|に変えました|を廃止しました|を削除しました)|(?:으로|로) (?:교체했|변경했|바꿨|대체했|옮겼)|(?:을|를) (?:제거했|삭제했)",
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
        r"\b(?:(?:muss|müssen|darf|dürfen|soll|sollen) (?:immer|nie|niemals|nicht|nur|stets)|niemals|grundsätzlich|auf keinen fall|unter keinen umständen|keine ausnahmen?)\b|^(?:bitte )?(?:immer|nie|niemals|stets)\b|^(?:bitte )?(?:benutz|verwend|nutz|nimm|schreib|lass|ruf|leg|füg|teste|prüf|mach|gib)\w* (?:\w+ ){0,2}(?:immer|nie|niemals|stets)\b|^(?:vor|bei|nach) jede[mrs]? .{3,40}\b(?:muss|müssen|darf|dürfen|ist|sind)\b|^(?:alle|jede[rs]?|neue) .{3,60}\b(?:muss|müssen|gehören|gehört|brauchen|braucht)\b",
        r"\b(?:siempre (?:hay|se|debe|usa|debemos)|nunca (?:se|hay|debe|uses|hagas)|debe(?:n|mos)? (?:siempre|ser)|está prohibido|no se (?:debe|permite))|^(?:por favor,? )?(?:siempre|nunca|jamás)\b(?! (?:he|ha|funcion\w+|vi|pasó|pude|supe)\b)|^(?:por favor,? )?(?:usa|use|utiliza|utilice|ejecuta|escribe|añade|haz|pon|guarda)\w* siempre\b|\bno (?:uses?|utilices?|hagas?|edites?|modifiques?|toques?|añadas?|borres?|subas?|escribas?) (?:nunca|jamás)\b|\b(?:hay|tienes|tenemos|tiene) que .{2,60}\b(?:siempre|nunca|antes de (?:cada|todo))|\bsiempre hay que\b|\bno hay que .{2,40}\bnunca\b|^(?:todos?|todas?|cada) .{3,60}\b(?:debe|deben|tiene que|tienen que)\b",
        r"\b(?:il faut toujours|il ne faut (?:jamais|pas)|(?:doit|doivent|devons) (?:toujours|être)|ne (?:doit|doivent) (?:jamais|pas)|est interdit)\b|^(?:toujours|jamais|ne .{1,30} jamais)\b|^(?:merci d\w+ |s'il te plaît,? )?(?:utilise|utilisez|emploie|employez|écris|écrivez|ajoute|ajoutez|lance|lancez|garde|gardez|fais|faites|mets|mettez)\w* toujours\b|^n[e'] ?\w+ jamais\b|\b(?:il faut|on doit|tu dois|nous devons) .{2,60}\b(?:toujours|avant (?:chaque|tout))\b|^on ne .{2,30} jamais\b(?! (?:eu|vu|été|su|pu))|^(?:tous?|toutes?|chaque) .{3,60}\b(?:doit|doivent)\b",
        r"\b(?:(?:deve|devem|devemos) (?:sempre|ser)|nunca (?:se )?(?:deve|use|faça)|é proibido|não se deve|não pode(?:mos)? nunca)\b|^(?:por favor,? )?(?:sempre|nunca|jamais)\b(?! (?:funcion\w+|vi|tive|foi|deu|consegui|conseguimos)\b)|^(?:por favor,? )?(?:use|usa|utilize|execute|rode|escreva|adicione|faça|mantenha|guarde)\w* sempre\b|\bnão (?:use|utilize|faça|edite|modifique|mexa|altere|apague|crie)\b.{2,60}\b(?:nunca|jamais|em hipótese alguma)\b|\b(?:é preciso|temos que|tem que|é necessário) .{2,60}\b(?:sempre|antes de (?:cada|todo))\b|^(?:todos?|todas?|cada) .{3,60}\b(?:deve|devem|tem que|têm que)\b",
        r"\b(?:(?:deve|devono|dobbiamo|bisogna) (?:sempre|essere)|non (?:deve|devono|si deve|bisogna) mai|è vietato)\b|^(?:per favore,? )?(?:sempre|mai)\b(?! (?:visto|successo|funzionato|avuto))|^(?:per favore,? )?(?:usa|usate|utilizza|utilizzate|esegui|scrivi|aggiungi|fai|metti|mantieni|lancia)\w* sempre\b|\bnon (?:usare|fare|modificare|toccare|aggiungere|cancellare|creare|scrivere|committare|pushare) mai\b|\bnon (?:va|vanno) mai\b|\bbisogna sempre\b|\b(?:bisogna|dobbiamo) .{2,60}\bprima di ogni\b|^(?:tutti|tutte|ogni) .{3,60}\b(?:deve|devono|va|vanno)\b",
        r"(?:всегда (?:нужно|надо|следует|использу|запускай|пиши|добавляй|проверяй|делай)|никогда не (?!было|работал|видел|был|мог|случал)|ни в коем случае|нельзя|обязательно (?:нужно|надо)?|должн[ыао]? (?:всегда|быть)|запрещено)",
        r"(?:必须|绝不|永远不要|不允许|禁止|一律|务必|请不要|^不要(?!紧|说|担心)|切勿|不得直接|始终(?:使用|要)|总是要|不得)",
        r"(?:必ず|常に.{0,20}(?:こと|する)|してはいけない|してはならない|禁止|絶対に|しないこと|すること。?$|しないでください|ないでください|常に.{1,30}(?:してください|使うこと))",
        r"(?:반드시|절대(?:로)? |항상 .{0,30}(?:해야|한다|하세요)|금지|하지 (?:마|말|않)|해야 (?:한다|합니다))",
        r"(?:हमेशा .{2,60}(?:करें|करो|रखें|लिखें|चलाएँ|चलाएं)|कभी .{0,40}(?:न|ना|नहीं|मत) (?:करें|करो|करना|लिखें|बदलें|छुएँ)|(?:अनिवार्य|ज़रूरी|जरूरी) है कि|(?:सख़्त|सख्त) मना)",
    ),
    *_rows(
        ISSUE,
        r"\b(?:schlägt|schlagen|schlug|bricht|stürzt|hängt|scheitert|klappt nicht|geht nicht|funktioniert nicht)\b.{0,60}\b(?:weil|da|wegen)\b|\bfehler (?:kommt|kam|entsteht|entstand) (?:von|daher|durch)\b",
        r"\b(?:falla|fallan|fallaba|falló|no funciona|no funcionaba|se cuelga|se rompe)\b.{0,60}\b(?:porque|ya que|debido a|por culpa de)\b|\bel error (?:viene|venía|se debe|se debía)\b",
        r"\b(?:échoue|échouent|échouait|plante|plantait|bloque|ne (?:marche|fonctionne) pas)\b.{0,60}\b(?:parce qu|car|à cause d|puisqu)|\bl'erreur (?:vient|venait|est due)\b",
        r"\b(?:falha|falham|falhava|falhou|quebra|trava|não funciona|não funcionava)\b.{0,60}\b(?:porque|pois|devido a|por causa d)|\b(?:a causa|o motivo) (?:era|foi|é)\b|\bo erro (?:vem|vinha|se deve)\b",
        r"\b(?:fallisce|falliscono|falliva|si blocca|si rompe|non (?:funziona|va|parte))\b.{0,60}\b(?:perché|poiché|a causa d)|\b(?:la causa|il motivo) (?:era|è)\b|\bl'errore (?:viene|veniva|dipende)\b",
        r"(?:пада(?:ет|ют|л)|не работа(?:ет|ют|л)|слома\w+|завис\w+|ошибка).{0,60}(?:потому что|так как|из-за|поскольку)",
        r"(?:失败|报错|出错|崩溃|卡住|不工作|无法).{0,12}(?:是因为|因为|由于|是由于)|(?:因为|由于).{2,40}(?:失败|报错|出错|崩溃|卡住)",
        r"(?:ため|ので|から)、?.{0,40}(?:失敗し|エラーに|クラッシュ|落ち(?:る|ます|ました)|動か(?:ない|ません|なかった))|(?:때문에|아서|어서|므로).{0,30}(?:실패|오류|에러|멈추|죽)",
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
