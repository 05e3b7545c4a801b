"""What is found, and what is not, in languages other than English: rules, decisions, and problems with their cause."""

import pytest

from kioku.knowledge.extraction.judging import found_in

RULES = [
    "Bitte nie direkt auf main pushen.",
    "Benutze immer den vorhandenen Logger.",
    "Verwende niemals globale Variablen in diesem Projekt.",
    "Vor jedem Commit müssen die Tests laufen.",
    "Alle Texte gehören in die Sprachdatei, keine Ausnahmen.",
    "Usa siempre el logger existente.",
    "No uses nunca variables globales en este proyecto.",
    "Nunca hagas push directamente a main.",
    "Hay que ejecutar siempre las pruebas antes de cada commit.",
    "No hay que editar nunca los archivos generados.",
    "Utilise toujours le logger existant.",
    "N'utilise jamais de variables globales dans ce projet.",
    "Ne pousse jamais directement sur main.",
    "Il faut lancer les tests avant chaque commit.",
    "On ne modifie jamais les fichiers générés.",
    "Use sempre o logger existente.",
    "Nunca faça push direto na main.",
    "Não use variáveis globais neste projeto, nunca.",
    "É preciso rodar os testes antes de cada commit.",
    "Jamais edite os arquivos gerados.",
    "Usa sempre il logger esistente.",
    "Non usare mai variabili globali in questo progetto.",
    "Non fare mai push diretto su main.",
    "Bisogna sempre eseguire i test prima di ogni commit.",
    "I file generati non vanno mai modificati.",
    "Всегда используй существующий логгер.",
    "Никогда не пушь напрямую в main.",
    "Нельзя редактировать сгенерированные файлы.",
    "Перед каждым коммитом обязательно запускай тесты.",
    "Не используй глобальные переменные ни в коем случае.",
    "请始终使用现有的日志工具。",
    "不要直接推送到主分支。",
    "永远不要修改生成的文件。",
    "每次提交前必须运行测试。",
    "所有日期一律使用UTC。",
    "必ず既存のロガーを使ってください。",
    "mainに直接プッシュしないでください。",
    "生成されたファイルは絶対に編集しないでください。",
    "コミットの前に必ずテストを実行すること。",
    "日付は常にUTCで保存すること。",
    "항상 기존 로거를 사용하세요.",
    "main에 직접 푸시하지 마세요.",
    "생성된 파일은 절대 수정하지 마세요.",
    "커밋하기 전에 반드시 테스트를 실행해야 합니다.",
    "날짜는 항상 UTC로 저장해야 한다.",
    "हमेशा मौजूदा लॉगर का ही उपयोग करें।",
    "सीधे main पर कभी push न करें।",
]
DECISIONS = [
    "Wir speichern die Daten ab sofort in SQLite statt in JSON.",
    "Ich habe den Parser durch einen eigenen ersetzt, damit alle Aufrufer ihn teilen.",
    "Guardaremos los datos en SQLite en lugar de JSON.",
    "He reemplazado el analizador por uno propio.",
    "Nous gardons l'ancien format plutôt que le nouveau.",
    "J'ai remplacé l'analyseur par le nôtre.",
    "Vamos guardar os dados em SQLite em vez de JSON.",
    "Substituí o analisador por um próprio.",
    "Salviamo i dati in SQLite invece che in JSON.",
    "Ho sostituito il parser con uno nostro.",
    "Храним данные в SQLite вместо JSON.",
    "Я заменил парсер на собственный.",
    "数据改用SQLite保存，不再用JSON。",
    "我把解析器替换成了自己的实现。",
    "データはJSONではなくSQLiteに保存することにしました。",
    "パーサーを自前のものに置き換えました。",
    "데이터는 JSON 대신 SQLite에 저장하기로 했다.",
    "파서를 자체 구현으로 교체했습니다.",
]
ISSUES = [
    "Die Ursache war eine doppelt geöffnete Datei.",
    "Der Test schlägt fehl, weil die Uhr nie gestellt wird.",
    "La causa era un archivo abierto dos veces.",
    "La prueba falla porque el reloj nunca avanza.",
    "La cause était un fichier ouvert deux fois.",
    "Le test échoue parce que l'horloge n'avance jamais.",
    "A causa era um arquivo aberto duas vezes.",
    "O teste falha porque o relógio nunca avança.",
    "La causa era un file aperto due volte.",
    "Il test fallisce perché l'orologio non avanza mai.",
    "Причина была в том, что файл открыт дважды.",
    "Тест падает, потому что часы не идут.",
    "根本原因是文件被打开了两次。",
    "测试失败是因为时钟没有前进。",
    "原因はファイルが二重に開かれていたことです。",
    "時計が進まないためテストが失敗します。",
    "원인은 파일이 두 번 열린 것이었습니다.",
    "시계가 진행되지 않아서 테스트가 실패합니다.",
]
NOTHING = [
    "Lass uns die Tests noch einmal laufen.",
    "Alle Tests laufen durch.",
    "Kannst du dir den Fehler ansehen?",
    "Ich sehe mir jetzt die Konfiguration an.",
    "Todas las pruebas pasan.",
    "¿Puedes revisar siempre los registros?",
    "Voy a revisar la configuración.",
    "Tous les tests passent.",
    "Je regarde la configuration maintenant.",
    "Peux-tu vérifier les journaux ?",
    "Todos os testes passam.",
    "Vou verificar a configuração.",
    "Tutti i test passano.",
    "Guardo subito la configurazione.",
    "Все тесты проходят.",
    "Сейчас посмотрю конфигурацию.",
    "所有测试都通过了。",
    "我来看看配置文件。",
    "すべてのテストが通りました。",
    "設定ファイルを確認します。",
    "모든 테스트가 통과했습니다.",
    "설정 파일을 확인하겠습니다.",
    "Das Programm hat noch nie funktioniert.",
    "Nunca funcionó en mi máquina.",
    "Il n'a jamais fonctionné chez moi.",
    "Non ha mai funzionato da me.",
    "У меня это никогда не работало.",
    "从来没有成功过。",
    "सभी परीक्षण पास हो गए।",
    "Alle Tests laufen jetzt ohne Fehler durch.",
    "Wir könnten die Daten in SQLite statt in JSON speichern.",
    "Podríamos guardar los datos en SQLite en lugar de JSON.",
    "On pourrait garder l'ancien format plutôt que le nouveau.",
    "Potremmo salvare i dati in SQLite invece che in JSON.",
]


@pytest.mark.parametrize("text", RULES)
def test_what_shall_always_or_never_be_done_is_a_rule(text: str) -> None:
    assert [one.type for one in found_in(text, "user")] == ["rule"]


@pytest.mark.parametrize("text", DECISIONS)
def test_what_takes_anothers_place_is_a_decision(text: str) -> None:
    assert [one.type for one in found_in(text, "user")] == ["decision"]


@pytest.mark.parametrize("text", ISSUES)
def test_a_failure_with_its_cause_is_an_issue(text: str) -> None:
    assert [one.type for one in found_in(text, "assistant")] == ["issue"]


@pytest.mark.parametrize("text", NOTHING)
@pytest.mark.parametrize("role", ["user", "assistant"])
def test_questions_steps_results_and_what_could_be_are_none(text: str, role: str) -> None:
    assert list(found_in(text, role)) == []
