"""Words of files about customers, in both languages: what was wrong with rows, names of columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from web.problems import Language

REASONS: Final[Mapping[Language, Mapping[str, str]]] = {
    "zh-CN": {
        "empty": "空文件",
        "xls": "旧版 Excel（.xls），请另存为 .xlsx",
        "word": "Word 文档",
        "pdf": "PDF 文件",
        "picture": "图片",
        "archive": "压缩包",
        "program": "程序",
        "page": "网页或数据文件，而不是表格",
        "binary": "二进制文件",
        "encoding": "编码无法识别的文本，请另存为 UTF-8",
        "too_many_rows": "超过一百万行的表格，请拆分",
        "too_many_columns": "超过 200 列的表格",
        "damaged": "已损坏的表格",
        "too_long": "内容过长",
        "bad_kind": "类型应为个人或公司",
        "no_name": "没有姓名",
        "bad_language": "语言代码无效",
        "bad_email": "邮箱无效",
        "bad_phone": "号码无效",
        "bad_number": "不是数字",
        "bad_date": "不是日期",
        "bad_choice": "不在可选值中",
        "bad_text": "文本无效",
        "missing": "必填",
        "number_taken": "号码属于不同的客户",
        "not_kept": "含有无法保存的内容",
    },
    "en": {
        "empty": "an empty file",
        "xls": "an old Excel file (.xls): save it as .xlsx",
        "word": "a Word document",
        "pdf": "a PDF",
        "picture": "a picture",
        "archive": "an archive",
        "program": "a program",
        "page": "a web page or data file, no table",
        "binary": "a binary file",
        "encoding": "text in an unknown encoding: save it as UTF-8",
        "too_many_rows": "a table of more than a million rows: split it",
        "too_many_columns": "a table of more than 200 columns",
        "damaged": "a damaged table",
        "too_long": "too long",
        "bad_kind": "has to be person or company",
        "no_name": "without a name",
        "bad_language": "no language code",
        "bad_email": "no e-mail address",
        "bad_phone": "no telephone number",
        "bad_number": "no number",
        "bad_date": "no date",
        "bad_choice": "none of the choices",
        "bad_text": "no valid text",
        "missing": "required",
        "number_taken": "its numbers are different customers'",
        "not_kept": "holds something that cannot be stored",
    },
}
HEADS: Final[Mapping[str, tuple[str, str]]] = {
    "name": ("姓名", "Name"),
    "kind": ("类型", "Type"),
    "company": ("公司", "Company"),
    "level": ("等级", "Level"),
    "tags": ("标签", "Tags"),
    "owner": ("负责人", "Owner"),
    "email": ("邮箱", "E-mail"),
    "address": ("地址", "Address"),
    "source": ("来源", "Source"),
    "language": ("语言", "Language"),
    "number": ("电话", "Phone"),
}
"""Exported columns, as an import knows them again."""


def reason_column(language: Language) -> str:
    """The head of the column that says what was wrong."""
    return "原因" if language == "zh-CN" else "Reason"


def head(target: str, language: Language) -> str:
    """The head of an exported column; further numbers as `Phone 2`."""
    name = target.rstrip("0123456789")
    words = HEADS[name][0 if language == "zh-CN" else 1]
    place = target.removeprefix(name)
    return f"{words} {place}" if place else words
