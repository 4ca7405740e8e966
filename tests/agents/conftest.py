from tests.llm.server import llm_process, llm_server

__all__ = ["llm_process", "llm_server"]
