"""The names with which Python code looks at code: where one is used, more counts than what names lead to."""

from __future__ import annotations

WHOLE_MODULE = {"globals", "locals", "eval", "exec", "vars", "compile", "__dict__"}
WHOLE_POST = {
    *("__subclasses__ import_module __import__ find_spec run_module run_path resolve_name reload getmodule".split()),
    *("spec_from_file_location module_from_spec exec_module __globals__ f_globals f_builtins".split()),
    *("get_objects get_referrers get_referents".split()),
}
ELSEWHERE = {"sys.modules", "gc.get_objects", "gc.get_referrers"}  # the same, where a name was imported for it
READS_TEXT = {
    *("getsource getsourcelines findsource getframeinfo currentframe _getframe co_firstlineno co_lines".split()),
    *("co_code f_lineno tb_lineno __code__ format_exc format_tb format_stack extract_tb extract_stack".split()),
    *("__firstlineno__ lineno findCaller formatwarning showwarning".split()),
}
READS_ANNOTATIONS = {
    *("__annotations__ get_type_hints get_annotations signature getfullargspec singledispatch".split()),
    *("singledispatchmethod validate_call typechecked beartype".split()),
}
READS_DOCSTRINGS = {"__doc__", "getdoc"}
CLASS_HOOKS = {"__init_subclass__", "__set_name__", "__prepare__", "__mro_entries__"}
