"""What a line behind `####` is: an answer, a heading, or words that may be either."""

from __future__ import annotations

import re

# How surely a line is an answer. Prose and words are answers where there is nothing better.
HEADING, PROSE, WORDS, SURE = range(4)

_ENUMERATED = re.compile(r"\(?(?:\d{1,2}|[IVX]+|[A-H])[.):][ \t]+[*_]*(?=[A-Z][a-z])")  # "2. Solve", "II. Setup"
_NOUNS = r"""solution|conclusion|explanation|verification|check|double-?check|summary|reasoning|reasons?|analysis|calculations?
    |computations?|steps?|notes?|overview|introduction|background|interpretation|discussion|remarks?|justification|proof|recap|setup
    |strategy|plan|details|observations?|assumptions?|given|goal|problem|question|approach|thoughts?|takeaways?"""
_VERBS = r"""(?: calculat|comput|determin|solv|evaluat|substitut|analy[sz]|defin|combin|translat|compar|divid|isolat|rearrang
        |estimat|organi[sz]|examin|explor|summari[sz] ) (?:e|ing)
    | (?: simplif|identif|verif|appl|multipl ) (?:y|ying)
    | (?: find|understand|check|add|subtract|convert|consider|interpret|explain|review|recall|count|confirm ) (?:ing)?
    | us(?:e|ing) | writ(?:e|ing) | set(?:ting)?[ ]up | break(?:ing)?[ ]down"""
_HEADING = re.compile(
    rf"""(?: step|part|case|stage|question|problem|example|section|method|approach|phase|attempt ) \s*+ \d+\b .*
    | step \s+ (?: one|two|three|four|five|six|[a-z] ) \b .*
    | (?:the\s+)? (?: {_NOUNS} ) (?: \s*+[:–-].* | [\s.]*
      | [ ](?: of|for|to|and|by|the|using|with|in|process|steps?|statement|information|values?|breakdown )\b .* )
    | let (?: ['’]?s | [ ]me | [ ]us )? [ ] .*
    | (?: key|important|additional|further|final|general ) [ ] (?: points?|facts?|ideas?|insights?|comments?|{_NOUNS} )\b .*
    | (?: re-? | double-?[ ]? )? (?: {_VERBS} ) [ ] .*
    | [^\W\d_]{{2}} .* [:?]""",
    re.IGNORECASE | re.VERBOSE,
)
_ANSWERS = re.compile(
    r"""yes|no|true|false|none|never|always|sometimes|neither|both|all|impossible|undefined|infinity|even|odd
    | (?:there\ (?:is|are)\ )? no (?:\ real|\ integer|\ such)? \ (?:solutions?|values?|numbers?)
    | infinitely\ many (?:\ solutions)? | (?:does|do)\ not\ exist | cannot\ be\ determined | (?:all|no)\ real\ numbers""",
    re.IGNORECASE | re.VERBOSE,
)
_CHOICE = re.compile(r"\(?[A-J][.):]")
_FORMAL = re.compile(r"[\d\\=<>^+*$|{}\[\]√∞π]")
_SENTENCE = re.compile(r"[A-Z][a-z]+(?:[-'’][a-z]+)? [A-Za-z]{2,}")
_STATES = re.compile(
    r"(?:at|more|less|fewer|greater|no|not|all|any|every|up|either|only|between)\b|.*(?:=|\b(?:is|are|was|were|has|have|equals?|gets?)\b)",
    re.IGNORECASE,
)


def standing(line: str) -> int:
    """How surely a line without the space and the stars around it is an answer: HEADING (it is none) to SURE."""
    bare = _ENUMERATED.sub("", line, count=1)
    if _HEADING.fullmatch(bare):
        return HEADING
    if _CHOICE.match(line) or _ANSWERS.fullmatch(line.rstrip(".!")):
        return SURE
    if bare != line:
        return PROSE
    if _FORMAL.search(line):
        return PROSE if _SENTENCE.match(line) and not _STATES.match(line) else SURE
    words = line.split()
    if len(line) < 2 or (line[0].islower() and len(words) <= 3):
        return SURE
    return WORDS if len(words) == 1 else PROSE
