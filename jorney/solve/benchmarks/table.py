"""The benchmarks: one entry each. A figure that is published by another protocol is not comparable, however close it is.

Sources of the protocols: lm-evaluation-harness 0.4.13 (task files), DeepSeekMath's evaluation (arXiv 2402.03300 and its
repository), Minerva (2206.14858), BIG-Bench Hard (2210.09261), MGSM (2210.03057), HumanEval (2107.03374), MBPP (2108.07732).
"""

from __future__ import annotations

import dataclasses

from jorney.domain.problem import Problem
from jorney.solve.benchmarks.benchmark import Benchmark, register
from jorney.solve.benchmarks.task_protocol import AUTO, LIKELIHOOD, TaskProtocol
from jorney.text.step_format import BLANK, BLANK_CHAT

BBH = (
    *("boolean_expressions", "causal_judgement", "date_understanding", "disambiguation_qa", "dyck_languages"),
    *("formal_fallacies", "geometric_shapes", "hyperbaton", "logical_deduction_five_objects"),
    *("logical_deduction_seven_objects", "logical_deduction_three_objects", "movie_recommendation"),
    *("multistep_arithmetic_two", "navigate", "object_counting", "penguins_in_a_table"),
    *("reasoning_about_colored_objects", "ruin_names", "salient_translation_error_detection", "snarks"),
    *("sports_understanding", "temporal_sequences", "tracking_shuffled_objects_five_objects"),
    *("tracking_shuffled_objects_seven_objects", "tracking_shuffled_objects_three_objects", "web_of_lies", "word_sorting"),
)
MATH = (
    *("algebra", "counting_and_probability", "geometry", "intermediate_algebra", "number_theory", "prealgebra"),
    "precalculus",
)
# The words of MGSM's languages for a question and for an answer in steps; exemplars, where they are read, bring their own.
_MGSM = {
    "bn": ("প্রশ্ন: ", "ধাপে ধাপে উত্তর:"),
    "de": ("Frage: ", "Schritt-für-Schritt-Antwort:"),
    "en": ("Question: ", "Step-by-Step Answer:"),
    "es": ("Pregunta: ", "Respuesta paso a paso:"),
    "fr": ("Question : ", "Réponse étape par étape :"),
    "ja": ("問題：", "ステップごとの答え："),
    "ru": ("Задача: ", "Пошаговоерешение:"),
    "sw": ("Swali: ", "Jibu la Hatua kwa Hatua:"),
    "te": ("ప్రశ్న: ", "దశలవారీగా సమాధానం:"),
    "th": ("โจทย์: ", "คำตอบทีละขั้นตอน:"),
    "zh": ("问题：", "逐步解答："),
}
_CODE_STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
_BOXED = TaskProtocol(
    BLANK_CHAT.prompt,
    chat=AUTO,
    plain=BLANK.prompt,
    written="blank",
    readings=("stated", "lenient"),
    max_tokens=2048,
    stops=("\nUser:",),
)
_MINERVA = TaskProtocol(
    "Problem:\n{question}\n\nSolution:",
    shots="lm-eval:minerva_math/utils.py:list_fewshot_samples",
    count=4,
    stops=("Problem:",),
    readings=("minerva", "lenient"),
    written="blank",
)
# DeepSeekMath's own: its base model is shown examples, its chat models are asked as its first chat template wrote it.
_DEEPSEEK_SAYS = "User: {{question}}\n{}\n\nAssistant:"
_STEP_BY_STEP = "Please reason step by step, and put your final answer within \\boxed{}."
_IN_CHINESE = "请通过逐步推理来解答问题，并把最终答案放置于\\boxed{}中。"


def _instruct(suffix: str, reading: str) -> TaskProtocol:
    return TaskProtocol(_DEEPSEEK_SAYS.format(suffix), readings=(reading, "stated", "lenient"), written="blank")


_OPTIONS = '{question}\n{options}\nAnswer with the letter of the right option: end with "The answer is (X)."'


def _mgsm(language: str) -> TaskProtocol:
    question, answer = _MGSM[language]
    return TaskProtocol(
        f"{question}{{question}}\n{answer}",
        shots="exemplars",
        count=8,
        stops=(f"\n{question.strip()}",),
        readings=("mgsm", "last-number"),
        max_tokens=512,
    )


def _in_test_split(problem: Problem) -> bool:
    """MBPP's tasks 11 to 510; 1 to 10 are for prompts, what follows is for training."""
    number = problem.id.rpartition("/")[2]
    return number.isdecimal() and 11 <= int(number) <= 510


for _one in (
    Benchmark(
        "gsm8k",
        "grade-school mathematics, 5 shots of the training set, `#### n`",
        "openai/gsm8k:main@test",
        "math",
        TaskProtocol(
            "Question: {question}\nAnswer:",
            shots="split:train",
            count=5,
            stops=("Question:",),
            readings=("stated", "last-number"),
            max_tokens=512,
        ),
        1319,
    ),
    Benchmark(
        "gsm8k-cot",
        "the same, with the 8 shots of chain-of-thought prompting",
        "openai/gsm8k:main@test",
        "math",
        TaskProtocol(
            "Q: {question}\nA:",
            shots="lm-eval:gsm8k/gsm8k-cot.yaml",
            count=8,
            stops=("Q:",),
            readings=("answer-is-number", "last-number"),
            max_tokens=512,
        ),
        1319,
    ),
    Benchmark(
        "math",
        "MATH's whole test set, Minerva's 4 shots",
        "EleutherAI/hendrycks_math:{subset}@test",
        "math",
        _MINERVA,
        5000,
        MATH,
        ("test/{subset}", "{subset}"),
        apart=False,
    ),
    Benchmark("math500", "500 problems of MATH, asked without shots", "HuggingFaceH4/MATH-500@test", "math", _BOXED, 500),
    Benchmark(
        "gsm8k-deepseek-base",
        "as DeepSeekMath's base model was asked and read, 8 shots",
        "openai/gsm8k:main@test",
        "math",
        TaskProtocol(
            "Q: {question}\nA:",
            between="\n\n\n",
            shots="lm-eval:gsm8k/gsm8k-cot.yaml",
            count=8,
            stops=("\nQ:",),
            readings=("deepseek-gsm-few-shot", "answer-is-number", "lenient"),
        ),
        1319,
        published={"base": 64.2},
    ),
    Benchmark(
        "gsm8k-deepseek-instruct",
        "as DeepSeekMath's chat models were asked and read",
        "openai/gsm8k:main@test",
        "math",
        _instruct(_STEP_BY_STEP, "deepseek-single"),
        1319,
        published={"instruct": 82.9, "rl": 88.2},
    ),
    Benchmark(
        "math-deepseek-base",
        "MATH's whole test set as DeepSeekMath's base model was asked and read, 4 shots",
        "EleutherAI/hendrycks_math:{subset}@test",
        "math",
        dataclasses.replace(
            _MINERVA,
            join="\n",
            stops=("\nProblem:",),
            readings=("deepseek-math-few-shot", "minerva", "lenient"),
        ),
        5000,
        MATH,
        ("test/{subset}", "{subset}"),
        {"base": 36.2},
        apart=False,
    ),
    Benchmark(
        "math-deepseek-instruct",
        "MATH's whole test set as DeepSeekMath's chat models were asked and read",
        "EleutherAI/hendrycks_math:{subset}@test",
        "math",
        _instruct(_STEP_BY_STEP, "deepseek-math"),
        5000,
        MATH,
        ("test/{subset}", "{subset}"),
        {"instruct": 46.8, "rl": 51.7},
        apart=False,
    ),
    Benchmark(
        "mgsm-zh-deepseek-instruct",
        "MGSM's Chinese problems as DeepSeekMath's chat models were asked and read",
        "juletxara/mgsm:zh@test",
        "math",
        _instruct(_IN_CHINESE, "deepseek-single"),
        250,
        files=("mgsm_zh.tsv", "mgsm_zh.jsonl"),
        published={"instruct": 73.2, "rl": 79.6},
    ),
    *(
        Benchmark(
            f"aime{year}",
            f"AIME 20{year}, both papers; avg@16 at temperature 0.6",
            source,
            "math",
            TaskProtocol(
                BLANK_CHAT.prompt,
                chat=AUTO,
                plain=BLANK.prompt,
                written="blank",
                readings=("stated", "lenient"),
                max_tokens=32768,
                samples=16,
                temperature=0.6,
                top_p=0.95,
            ),
            30,
        )
        for year, source in ((24, "HuggingFaceH4/aime_2024@train"), (25, "math-ai/aime25@test"))
    ),
    Benchmark(
        "bbh",
        "27 tasks of BIG-Bench Hard, 3 shots each",
        "lukaemon/bbh:{subset}@test",
        "text",
        TaskProtocol(
            "Q: {question}\nA: Let's think step by step.\n",
            join="",
            shots="cot-prompts",
            count=3,
            stops=("\nQ:", "\n\n\n"),
            readings=("answer-is-text", "lenient-text"),
        ),
        6511,
        BBH,
        ("{subset}.json", "bbh/{subset}.json"),
    ),
    Benchmark(
        "mgsm",
        "250 problems of GSM8K in 11 languages, 8 exemplars each, reasoning in the language",
        "juletxara/mgsm:{subset}@test",
        "math",
        _mgsm,
        2750,
        tuple(_MGSM),
        ("mgsm_{subset}.tsv", "{subset}/test.jsonl"),
    ),
    Benchmark(
        "humaneval",
        "164 functions of Python to complete, run against their tests",
        "openai/openai_humaneval@test",
        "code",
        TaskProtocol("{prompt}", stops=_CODE_STOPS, max_tokens=1024),
        164,
    ),
    Benchmark(
        "mbpp",
        "500 short programs of Python, 3 shots, run against 3 asserts each",
        "google-research-datasets/mbpp:full@test",
        "code",
        TaskProtocol(
            "You are an expert Python programmer, and here is your task: {text} Your code should pass these tests:\n\n{tests}\n"
            "[BEGIN]\n",
            join="",
            shots="lm-eval:mbpp/utils.py:list_fewshot_samples",
            count=3,
            stops=("[DONE]",),
            max_tokens=512,
        ),
        500,
        keep=_in_test_split,
    ),
    *(
        Benchmark(
            name,
            f"{about}, by the likelihood of the options",
            source,
            "choice",
            TaskProtocol("Question: {question}\nAnswer:", by=LIKELIHOOD),
            size,
        )
        for name, about, source, size in (
            ("arc-challenge", "school science, hard for retrieval", "allenai/ai2_arc:ARC-Challenge@test", 1172),
            ("arc-easy", "school science, the easier part", "allenai/ai2_arc:ARC-Easy@test", 2376),
        )
    ),
    Benchmark(
        "commonsense-qa",
        "everyday knowledge, by the likelihood of the letters A to E",
        "tau/commonsense_qa@validation",
        "choice",
        TaskProtocol("Question: {question}\n{options}\nAnswer:", by=LIKELIHOOD, scored="letter"),
        1221,
    ),
    *(
        Benchmark(
            f"{name}-cot",
            f"{about}, the letter told behind a chain of thought",
            source,
            "choice",
            TaskProtocol(_OPTIONS, chat=AUTO, plain=f"Question: {_OPTIONS}\nAnswer:", readings=("letter", "any-letter")),
            size,
        )
        for name, about, source, size in (
            ("arc-challenge", "school science", "allenai/ai2_arc:ARC-Challenge@test", 1172),
            ("commonsense-qa", "everyday knowledge", "tau/commonsense_qa@validation", 1221),
        )
    ),
):
    register(_one)
