"""Names that a spec cannot have, since the code that is emitted means something else by them.

The lists are read off: ``tests/names`` compares ``TORCH`` with ``dir(torch.nn.Module)``, ``BUILTINS`` with Python's
and ``EMITTED`` and ``CLASSES`` with what the emitted files say, and names what is missing. No list depends on the
versions that are installed, so that a spec is understood the same way everywhere.
"""

from __future__ import annotations

# Attributes and methods of a torch.nn.Module: a parameter of the layer is an attribute of it.
TORCH = frozenset(
    """
    T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double dump_patches eval
    extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half ipu load_state_dict modules
    mtia named_buffers named_children named_modules named_parameters parameters register_backward_hook register_buffer
    register_forward_hook register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
    register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module register_parameter
    register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule
    share_memory state_dict to to_empty train training type xpu zero_grad
    """.split()
)

# What an emitted function, method or class means by a name, beside the names of the spec.
EMITTED = frozenset(
    """
    as_dtype unshared BaseLayer CONFIG DYNAMICS INPUTS SIGNS SPEC as_count as_step by_reference by_sample
    check_fields check_input check_state checked config exact from_config has_numbers pullback readable registered
    step_of told transformed working ACC AVERAGE BLOCK DISCRETE_GRADIENT Dense Ellipsis GRADIENT LENGTH MIDPOINT
    NoneType NotConverged OWNED Options Report RuntimeError STEP Sparse Tensor TypeError ValueError after any atol
    auto backend backward balance_residual batch before bool bwd_rtol callable cayley channels constexpr ctx
    currents damped_stumpff dict edge_index edges elapsed energy entropy enumerate flowed flux forward_readout grad
    grads graph inputs inside int isinstance iterations keep kernels last launch len libdevice like linear list math
    max_iter nn nodes object partial partials print products program_id property range readout reference report
    residual root rtol saved self set shift sites solve solver state status step steps stress_energy stumpff super
    tl torch triton tuple turned turned_back use_kernels warm_start warnings zip
    """.split()
)
# Endings of what kernels are called and handed: ``phi_ptr``, ``step_0_kernel``.
ENDINGS = ("_ptr", "_kernel")

# Class names of Python, of which an emitted module may use any.
BUILTINS = frozenset(
    """
    ArithmeticError AssertionError AttributeError BaseException BaseExceptionGroup BlockingIOError BrokenPipeError
    BufferError BytesWarning ChildProcessError ConnectionAbortedError ConnectionError ConnectionRefusedError
    ConnectionResetError DeprecationWarning EOFError Ellipsis EncodingWarning EnvironmentError Exception
    ExceptionGroup False FileExistsError FileNotFoundError FloatingPointError FutureWarning GeneratorExit IOError
    ImportError ImportWarning IndentationError IndexError InterruptedError IsADirectoryError KeyError
    KeyboardInterrupt LookupError MemoryError ModuleNotFoundError NameError None NotADirectoryError NotImplemented
    NotImplementedError OSError OverflowError PendingDeprecationWarning PermissionError ProcessLookupError
    PythonFinalizationError RecursionError ReferenceError ResourceWarning RuntimeError RuntimeWarning
    StopAsyncIteration StopIteration SyntaxError SyntaxWarning SystemError SystemExit TabError TimeoutError True
    TypeError UnboundLocalError UnicodeDecodeError UnicodeEncodeError UnicodeError UnicodeTranslateError
    UnicodeWarning UserWarning ValueError Warning WindowsError ZeroDivisionError
    """.split()
)
# Other class names that the module of a layer uses or defines.
CLASSES = frozenset(
    """
    Any BaseLayer Callable Dense Method NamedTuple NoCache NoCompiler NotConverged Options OtherSettings Path Report
    Sparse Tensor Tensors
    """.split()
)

# Names that some file systems keep for devices, whatever their case and ending.
DEVICES = frozenset(["con", "prn", "aux", "nul", *(f"{port}{k}" for port in ("com", "lpt") for k in range(1, 10))])
