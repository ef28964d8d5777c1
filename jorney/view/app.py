"""The page of `jorney view`, as Streamlit runs it: anew whenever something is clicked. Its address says all of where one is."""

from __future__ import annotations

import streamlit as st

from jorney import storage
from jorney.view import browsing, opened
from jorney.view.comparing import comparing_view
from jorney.view.judging import judging_view
from jorney.view.opened import control, found, opening, place
from jorney.view.place import VIEWS
from jorney.view.training import training_view
from jorney.view.tree_view import inert

_VIEWS = {
    "browse": browsing.show,
    "compare": comparing_view.show,
    "judges": judging_view.show,
    "training": training_view.show,
}
_LOOKS, _LOOKS_FAR = 5, 60  # seconds between two looks at whether files have grown


def main() -> None:
    """The whole page."""
    st.set_page_config("Jorney", "🧭", layout="wide")
    # The menu's place takes a hand's breadth otherwise; on a phone a table's.
    st.html(
        "<style>.block-container {padding-top: 4rem; padding-bottom: 2rem}"
        # So that the names of the views stand in one line of the sidebar.
        ".st-key-control-view button {padding-inline: .25rem} .st-key-control-view button p {font-size: .8125rem}</style>"
    )
    with st.sidebar:
        views = [view for view in VIEWS if view != "training" or found().courses]
        control(
            st.segmented_control,
            "View",
            "view",
            place().view,
            lambda one: one or place().view,
            also={"page": None},
            options=views,
            format_func=str.capitalize,
            label_visibility="collapsed",
            width="stretch",
        )
    for gone in found().gone:
        st.error(inert(gone))
    try:
        _VIEWS[place().view]()
    except (OSError, ValueError) as error:
        st.error(inert(str(error)))
    with st.sidebar:
        _foot()


def _foot() -> None:
    """Bad lines, files that have grown, and how to come back here."""
    wrong = [text for one in found().collections if (own := opened.known(one)) for text in own.wrong]
    if wrong := [*found().closed, *wrong]:
        with st.expander(f"{len(wrong):,} {'line' if len(wrong) == 1 else 'lines'} could not be read"):
            st.text("\n".join(wrong[:100]) + ("" if len(wrong) <= 100 else f"\nand {len(wrong) - 100:,} more"))
    with st.expander("Come back here"):
        import shlex
        from urllib.parse import urlencode

        at = urlencode(place().to_params(), doseq=True)
        words = ["jorney", "view", *opening().words(), *(["--at", at] if at else [])]
        st.code(shlex.join(words), language=None, wrap_lines=True)
        st.caption("Or copy the address of this page.")
    _watch()


def _watch() -> None:
    """Notices files that have grown; those of a store are asked for less often."""
    local = all(map(storage.is_local, opening().paths))

    @st.fragment(run_every=_LOOKS if local else _LOOKS_FAR)
    def look() -> None:
        if opened.look_again():
            st.rerun()

    look()


if __name__ == "__main__":  # as Streamlit runs it; a child process of a page, which reads this file too, shows nothing
    main()
