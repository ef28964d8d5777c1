"""Where a text that has its answer runs on: another question, another turn, second thoughts that never end."""

from __future__ import annotations

import re

# What a question is headed by; in other languages the words of MGSM's prompts (Shi et al., 2022) and of Chinese textbooks.
_NOUN = r"""(?: (?:question|problem|exercise|example|task)s? | user | human | instruction | input | prompt | (?-i:Q) )"""
_ABROAD = r"""(?: 问题 | 题目 | 例题? | 练习题? | 新?题 | 用户 | 問題 | 質問 | 문제 | 질문 | pregunta | problema | frage
    | aufgabe | вопрос | задача | swali | โจทย์ | প্রশ্ন | ప్రశ్న )"""
_ANEW = r"""(?: new | next | another | one[ ]more | different | similar | second | third | other | related | more | extra
    | additional | follow(?:ing|[ -]?up) | bonus )"""
_SORT = r"(?: math(?:s|ematics|ematical)? | word | practice | sample | test | challenge | harder | simpler | easier | simple )"
_COUNT = r"""(?: [ \t]*+ (?: \# | no\.?[ \t]* | number[ \t]+ )?
    (?: \d+ (?:\.\d+)* | (?-i:[IVX]+)\b | (?:one|two|three|four|five)\b ) )?"""
# "**Problem 2.**", "> Next question:", "(Task 3)", "Example - ": headings, so that no sentence about a problem is one.
_HEADED = rf"""
    (?: \d{{1,2}}[.)][ \t]++ [*_]{{0,3}} (?={_ANEW}) )?  # "1. New problem:", but "2. Problem:" may be a step
    (?: {_ANEW}[ \t]+ | {_SORT}[ \t]+ )*+
    (?: {_NOUN} (?: [ \t]+ (?:statement|description|text) )? | {_ABROAD} )
    {_COUNT} (?: (?<=\.\d)(?=[ \t]) | [_"'”*}}]{{0,3}}[ \t]*
      (?: [:：)\]】」>}}] | \.(?=[\s*_}}]|\Z)(?![ ]?E\b) | (?<=[ \t])[-–—](?=[ \t]) | (?<=\*\*) | \n ) )"""
# "Here is another question:", "Now let's try a similar problem."
_INVITED = rf"""
    (?: (?:ok|okay|now|next|then|great|good|so|alright|well|finally) [,!.]? [ ]+ )*+
    (?: here(?:['’]s|[ ]is|[ ]are) | moving[ ]on[ ]to | on[ ]to | answer | solve | consider | try | do
      | (?: let(?:['’]?s|[ ]us|[ ]me) | (?:we|i)(?:['’]ll|[ ]will|[ ]can)? ) (?:[ ](?:now|also))?
        [ ](?: try | do | solve | consider | tackle | practice | see | take | start | give | show
          | (?:look|work|move|go)[ ](?:at|on[ ]to|on|to) )
    ) (?:[ ](?:a|an|the|some|yet|you)\b)*+ (?:[ ]{_ANEW})++ (?:[ ]{_SORT})*+ [ ](?:question|problem|exercise|example|task)s?
    (?: [ ](?:for|to|about|involving|with|on|of|that|which|where|like|using|in|from|together|now|based)\b [^\n.:!?]{{0,80}} )?
    [ *_]*+ (?: [.:!] | \n | \Z )"""
_QUESTION = rf"""^(?=[^\w\n]*+\w) [ \t]*+ (?:>[ \t]*+)*+
    (?: \#{{1,6}}[ \t]*+ | \\(?:text\w*|(?:sub)*section\*?|paragraph\*?){{ | [*_]{{1,3}} | [-•][ \t]++ | [\[(<{{"'“【「] )*+
    (?: {_HEADED} | {_INVITED} )"""
# Another turn's or another row's marks, wherever they stand, and what ends a text written out.
_TURN = r"""<\|(?: im_start|im_end|user|endoftext|end_of_text|start_header_id|begin_of_text|start_of_role|eot_id|eom_id|end|eos
    )\|> | <｜(?:user|(?:begin|end)▁of▁sentence)｜> | </s> | <eos> | <end_of_turn> | <start_of_turn>(?!model) | \[INST\]
    | <(?:question|problem|user|human|instruction)> | ["'](?:question|problem|instruction|prompt)["'][ \t]*:"""
_RUNS_ON = [re.compile(one, re.IGNORECASE | re.MULTILINE | re.VERBOSE) for one in (_QUESTION, _TURN)]
_ASKS = re.compile(rf"(?:[ \t\r]*+\n)*+ (?: {_QUESTION} | {_TURN} )", re.IGNORECASE | re.MULTILINE | re.VERBOSE)


def runs_on(text: str, start: int) -> int:
    """Where a text that has an answer at `start` runs on; its end where it does not."""
    unended = text.find("<think>", max(start, text.rfind("</think>")))
    found = [match.start() for pattern in _RUNS_ON if (match := pattern.search(text, start))]
    return min([*found, *([unended] if unended >= 0 else [])], default=len(text))


def asks(text: str, at: int) -> bool:
    """Whether a question, or another turn, begins at `at` or behind the blank lines there."""
    return _ASKS.match(text, at) is not None
