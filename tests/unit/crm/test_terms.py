"""What a customer is found by, and what is typed."""

import pytest

from crm.terms import Wanted, customer_terms, head_of, heads_of, wanted_of

ZHANG = customer_terms(
    "张三丰",
    "上海华通科技有限公司",
    ["+8613800138000"],
    tags=["vip"],
    level="A",
    owner="1001",
    blocked=True,
)


def found(terms: list[str], query: str) -> bool:
    """Whether each wanted term begins one of these."""
    wanted = wanted_of(query, "CN")
    return bool(wanted) and all(
        any(term.startswith(each.term) for term in terms) for each in wanted
    )


@pytest.mark.parametrize(
    "query",
    [
        *("张", "三", "三丰", "张三丰", "zhang", "zhangs", "sanfeng", "ZSF", "zs", "sf", "z"),
        *("华通", "科技", "shanghaihua", "shht", "张 华通", "ＺＨＡＮＧ"),
        *("8000", "138 0013 8000", "13800138000", "+86 138-0013-8000", "013800138000"),
    ],
)
def test_a_chinese_name_is_found_by(query: str) -> None:
    assert found(ZHANG, query)


@pytest.mark.parametrize(
    "query", ["王", "丰三", "hang", "zf", "张 王", "8001", "3800", "1380013", "vip", "", " ", "!?"]
)
def test_it_is_not_found_by(query: str) -> None:
    assert not found(ZHANG, query)


@pytest.mark.parametrize("query", ["cengxiaoxian", "zengxiaoxian", "zxx"])
def test_a_surname_is_found_by_its_own_reading_too(query: str) -> None:
    assert found(customer_terms("曾小贤", "", []), query)


@pytest.mark.parametrize("query", ["muller", "Müller", "lud", "ann mul", "lv", "360"])
def test_other_names_are_found_by_the_beginnings_of_words(query: str) -> None:
    assert found(customer_terms("Ann Müller-Lüdenscheidt 吕布", "360 Inc.", []), query)


@pytest.mark.parametrize(
    ("name", "queries"),
    [
        ("A张三", ("a", "张三", "三", "A张三", "a张", "zs", "zhangsan")),
        ("VIP王总", ("vip", "王", "王总", "VIP王总", "vip 王总", "王总 vip", "wz")),
        ("3M中国", ("3m", "中国", "国", "3M中", "zg")),
        ("张三A李四B", ("张三", "李四", "四", "张三A李四", "A李", "ls")),
        ("_张三", ("张三", "zs")),
    ],
)
def test_chinese_behind_letters_or_digits_is_found(name: str, queries: tuple[str, ...]) -> None:
    for query in queries:
        assert found(customer_terms(name, "", []), query), query


def test_a_number_in_a_name_cannot_be_found_digit_by_digit() -> None:
    terms = customer_terms("王芳 138-0013-8000", "", [])
    assert not found(terms, "138")
    assert not found(terms, "1380")
    assert found(terms, "8000")


def test_marks_are_terms_that_no_word_is() -> None:
    assert {"t:vip", "l:A", "o:1001", "b:"} <= set(ZHANG)
    assert wanted_of("t:vip", "CN") == [Wanted("t"), Wanted("vip")]


@pytest.mark.parametrize("word", ["z", "zhang", "三", "三丰", "华通"])
def test_a_short_beginning_is_a_head(word: str) -> None:
    assert head_of(word) in heads_of(ZHANG)


@pytest.mark.parametrize("word", ["zhangs", "张三丰", "#8000"])
def test_a_longer_one_and_a_number_have_none(word: str) -> None:
    assert head_of(word) is None
