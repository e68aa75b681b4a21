"""The page to label on, in a real browser: no answer is lost, none is kept twice."""

import shutil
import signal

import pytest
from label_helpers import Server, answers_in, make_store, record_clips

from agents.rlhf.labels import LabelStore

try:
    from playwright.sync_api import sync_playwright
except ImportError:
    sync_playwright = None

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = [
    pytest.mark.skipif(sync_playwright is None, reason="needs playwright: pip install playwright"),
    pytest.mark.skipif(BROWSER is None, reason="needs Chromium: apt-get install chromium"),
]
KEYS = {"ArrowLeft": "left", "ArrowRight": "right", "ArrowUp": "equal", "ArrowDown": "skip"}
ORDER = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowRight", "ArrowDown"] * 4


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


class Labeller:
    """A person at a page: knows it by what it shows."""

    def __init__(self, browser, url, who, **options):
        self.context = browser.new_context(viewport={"width": 1000, "height": 700}, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.errors, self.requests = [], []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url.rpartition("/")[2]))
        self.page.goto(url)
        self.page.fill("#who input", who)
        self.page.keyboard.press("Enter")

    def question(self):
        """Wait for a pair that can be answered, and return its question."""
        self.page.wait_for_selector('#clips[data-question]:not([data-question="0"])')
        return int(self.page.get_attribute("#clips", "data-question"))

    def press(self, key):
        self.page.keyboard.press(key)

    def wait_for(self, question):
        self.page.wait_for_selector(f'#clips[data-question="{question}"]')

    def answer(self, key):
        question = self.question()
        self.press(key)
        self.wait_until_kept()
        return question

    def wait_until_kept(self):
        self.page.wait_for_function("() => !unsent")

    def facts(self):
        return " ".join(self.page.inner_text("#facts").split())


def test_twenty_pairs_by_keyboard_with_undo_and_a_reload(browser, tmp_path):
    path = make_store(tmp_path, 20)
    with Server(tmp_path) as server:
        anna = Labeller(browser, server.url, "Anna")
        seen = [anna.answer(key) for key in ORDER[:7]]
        anna.wait_for(8)
        for key, question in (("u", 7), ("Backspace", 6)):
            anna.press(key)
            anna.wait_for(question)
        anna.page.reload()
        assert anna.question() == 6  # and nobody asked for the name again
        seen = seen[:5] + [anna.answer(key) for key in ORDER[5:10]]
        anna.page.reload()
        assert anna.question() == 11
        seen += [anna.answer(key) for key in ORDER[10:]]
        anna.page.wait_for_selector("#empty:not([hidden])")
        assert seen == list(range(1, 21))
        assert "16 of 20 answered 4 left 0 open 4 skipped 16 by you" in anna.facts()
        with LabelStore.open(path) as store:
            agreed = store.progress().agreed
        assert f"{round(100 * agreed / 12)} % of 12 as the model said" in anna.facts()
        assert server.log() == []
        assert anna.errors == []
    given = [(question, KEYS[key], "Anna") for question, key in enumerate(ORDER, 1)]
    undone = [(7, "undo", "Anna"), (6, "undo", "Anna")]
    assert answers_in(path) == given[:7] + undone + given[5:]


def test_the_next_pair_is_there_before_it_is_asked_for(browser, tmp_path):
    make_store(tmp_path, 3)
    with Server(tmp_path) as server:
        anna = Labeller(browser, server.url, "Anna")
        anna.question()
        anna.page.wait_for_function("() => films.size === 4")
        anna.answer("ArrowLeft")
        anna.wait_for(2)
        asked = anna.requests
        assert max(asked.index("3"), asked.index("4")) < asked.index("answer")
        assert asked.count("3") == 1


def test_two_people_at_once_never_get_the_same_question(browser, tmp_path):
    path = make_store(tmp_path, 20)
    seen = {"Anna": [], "Ben": []}
    with Server(tmp_path) as server:
        people = {who: Labeller(browser, server.url, who) for who in seen}
        for key in ORDER[:9]:
            for who, person in people.items():
                seen[who].append(person.question())
            assert seen["Anna"][-1] != seen["Ben"][-1]
            for person in people.values():  # both before either has heard
                person.press(key)
            for person in people.values():
                person.wait_until_kept()
        assert [person.errors for person in people.values()] == [[], []]
    kept = answers_in(path)
    assert len(kept) == 18
    assert sorted(question for question, _, _ in kept) == sorted(seen["Anna"] + seen["Ben"])
    assert len({question for question, _, _ in kept}) == 18
    for who, questions in seen.items():
        given = [(question, KEYS[key]) for question, key in zip(questions, ORDER, strict=False)]
        assert [(question, choice) for question, choice, name in kept if name == who] == given


def test_an_answer_outlives_a_killed_server(browser, tmp_path):
    path = make_store(tmp_path, 6)
    with Server(tmp_path) as server:
        anna = Labeller(browser, server.url, "Anna")
        assert [anna.answer("ArrowLeft"), anna.answer("ArrowRight"), anna.question()] == [1, 2, 3]
        anna.page.wait_for_function("() => films.size === 4")
        server.end(signal.SIGKILL)
        anna.press("ArrowUp")
        anna.page.wait_for_selector("text=Your answer “equal” is kept and will be sent as soon as it is back")
        anna.press("ArrowLeft")  # the answer was given: this is none
        anna.page.wait_for_timeout(1500)
        assert answers_in(path) == [(1, "left", "Anna"), (2, "right", "Anna")]
    with Server(tmp_path, port=server.port):
        assert anna.question() == 4
        assert anna.page.is_hidden("#notice")
        anna.answer("ArrowDown")
        assert anna.question() == 5
    kept = [(1, "left", "Anna"), (2, "right", "Anna"), (3, "equal", "Anna"), (4, "skip", "Anna")]
    assert answers_in(path) == kept
    anna.page.wait_for_timeout(100)
    with Server(tmp_path, port=server.port):  # killed while nobody answered
        anna.answer("ArrowLeft")
        assert anna.question() == 6
    assert answers_in(path) == [*kept, (5, "left", "Anna")]


def deafen(page, verb):
    """Let the first reply to `verb` go astray: the server has done it. Return the list of replies lost."""
    lost = []

    def lose(route):
        if lost:
            return route.continue_()
        lost.append(route.fetch().status)
        return route.abort()

    page.route(f"**/{verb}", lose)
    return lost


def test_what_the_page_did_not_hear_is_not_kept_twice(browser, tmp_path):
    path = make_store(tmp_path, 6)
    with Server(tmp_path) as server:
        anna = Labeller(browser, server.url, "Anna")
        anna.answer("ArrowRight")
        anna.question()
        for verb, key, question in (("answer", "ArrowLeft", 3), ("undo", "u", 2)):
            lost = deafen(anna.page, verb)
            anna.press(key)
            anna.page.wait_for_selector("#notice.bad:not([hidden])")
            anna.wait_for(question)
            assert lost == [200]
        assert anna.page.is_hidden("#notice")
    assert answers_in(path) == [(1, "right", "Anna"), (2, "left", "Anna"), (2, "undo", "Anna")]


def test_an_unsent_answer_outlives_a_reload(browser, tmp_path):
    path = make_store(tmp_path, 4)
    with Server(tmp_path) as server:
        anna = Labeller(browser, server.url, "Anna")
        anna.question()
        anna.page.route("**/answer", lambda route: route.abort())
        anna.press("ArrowLeft")
        anna.page.wait_for_selector("#notice.bad:not([hidden])")
        anna.page.unroute("**/answer")
        anna.page.reload()
        anna.wait_for(2)
    assert answers_in(path) == [(1, "left", "Anna")]


def test_a_question_that_another_answered_is_let_go(browser, tmp_path):
    path = make_store(tmp_path, 4)
    with Server(tmp_path) as server:
        anna = Labeller(browser, server.url, "Anna")
        anna.question()
        with LabelStore.open(path) as store:
            store.answer({1: "skip"}, "Ben")  # as after a long look, when the lease is over
        anna.press("ArrowLeft")
        anna.wait_for(2)
        assert "question 1 has been answered by Ben already" in anna.page.inner_text("#notice")
    assert answers_in(path) == [(1, "skip", "Ben")]


def test_waiting_for_the_training_and_its_end(browser, tmp_path):
    path = make_store(tmp_path, 0, wanted=2)
    _, clips = record_clips("pendulum", 4, length=12, seed=5)
    with Server(tmp_path) as server:
        anna = Labeller(browser, server.url, "Anna")
        anna.page.wait_for_selector("text=Waiting for the training to ask")
        assert "step 2,000 of 100,000" in anna.page.inner_text("#why")
        with LabelStore.open(path) as store:
            store.ask([(clips[0], clips[1]), (clips[2], clips[3])], 2500, "", None)
            assert anna.question() == 1  # by itself
            store.tell(step=3000)
            anna.answer("ArrowLeft")
            assert anna.question() == 2
            assert "3,000 of 100,000 training steps" in anna.facts()
            store.tell(step=100_000, is_over=True)
            anna.answer("ArrowLeft")
            anna.page.wait_for_selector("text=The training is over")
            assert "2 are kept, 2 of them yours" in anna.page.inner_text("#why")
            assert anna.page.is_disabled("#undo")
            store.tell(step=100_000, is_over=False)  # it was resumed
            anna.page.wait_for_selector("text=All answers are given")
    assert [choice for _, choice, _ in answers_in(path)] == ["left", "left"]


def test_a_phone_stacks_the_clips_and_answers_by_touch(browser, tmp_path):
    path = make_store(tmp_path, 4)
    with Server(tmp_path) as server:
        anna = Labeller(browser, server.url, "Anna", has_touch=True)
        anna.page.set_viewport_size({"width": 390, "height": 844})
        anna.question()
        upper, lower = (anna.page.locator(side).bounding_box() for side in ("#left", "#right"))
        assert upper["y"] + upper["height"] <= lower["y"]
        assert anna.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        assert anna.page.evaluate("() => document.documentElement.scrollHeight <= innerHeight")
        for place, question in (("#left", 2), ("#right", 3), ("button:has-text('equal')", 4)):
            anna.page.tap(place)
            anna.wait_for(question)
        anna.page.tap("#undo")
        anna.wait_for(3)
    assert [choice for _, choice, _ in answers_in(path)] == ["left", "right", "equal", "undo"]


def test_a_pair_that_cannot_be_drawn_can_be_skipped(browser, tmp_path):
    path = make_store(tmp_path, 2)
    with Server(tmp_path) as server:
        anna = Labeller(browser, server.url, "Anna")
        anna.question()
        anna.page.route("**/clips/1", lambda route: route.fulfill(status=404, body="damaged"))
        anna.page.reload()
        anna.question()
        assert anna.page.inner_text("#left .fault") == "This clip cannot be drawn: skip the pair."
        assert anna.page.is_visible("#right img")
        anna.answer("ArrowDown")
        anna.wait_for(2)
    assert answers_in(path) == [(1, "skip", "Anna")]


def test_the_page_works_with_a_token(browser, tmp_path):
    path = make_store(tmp_path, 2)
    with Server(tmp_path, "--token", "a-token-of-some-length") as server:
        anna = Labeller(browser, server.url, "Anna")
        anna.answer("ArrowLeft")
        anna.wait_for(2)
        assert server.log() == []
    assert answers_in(path) == [(1, "left", "Anna")]
