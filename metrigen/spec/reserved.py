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
    ACC after ALONE ALONG along_edges any as_count as_dtype as_matrices as_start as_step as_tokens as_tolerance
    as_vectors at_nodes at_time atol AttributeError auto AVERAGE AXES backend BACKENDS BACKWARD backward
    balance_residual BaseLayer batch before BLOCK block_diagonal bool Bound BOUNDS bwd_rtol by_operators
    by_readings by_reference by_sample by_solves by_step by_steps callable cayley channels check_fields
    check_given check_input check_state check_step checked CLOCKED clone CONFIG config constexpr counted ctx
    currents damped_stumpff Dense detach device diagonal_blocks dict DISCRETE_GRADIENT DRIVEN dtype DYNAMICS
    edge_index edges elapsed Ellipsis empty_field ends ENERGY energy entropy enumerate every exact FIELDS fixed
    flowed flux forgetting forward_readout framed frames_first FREE freeze from_config from_state gained
    generator given grad GRADIENT grads graph hamiltonian has_numbers HOISTED in_work init INPUTS inputs inside
    int is_direct isinstance iterations keep kernels lagrangian last last_backend last_of launch LayerParam len
    LENGTH libdevice like linear list logged made math max_iter MIDPOINT moment MORE nn no_weight_decay nodes
    NOISE noise Noisy NoneType NotConverged object of_sample ON ON_REQUEST OPERATORS operators Options options
    ORDER others OWNED partial partials print products program_id property pullback range RANK rates read
    readable readout readout_channels READS reference register_parameters registered Report report reset
    reset_parameters residual results rhs rollout rollout_readout root rotated rotated_back rtol RuntimeError
    SAMPLES saved self sequential set shift SIGNS single sites solution solve solver Span Sparse SPEC START
    start STATE state status STEP step step_of steps stepwise stress_energy stumpff super t0 temperature Tensor
    TIMED times tl told_apart tolerance torch transformed triton tuple turned TypeError unread unshared
    use_kernels ValueError varied warm_start warn_above_limit warnings within WITHOUT working ZERO zip
    """.split()
)
# Classes that SymPy takes for numbers by their name alone. A field, an input and a learned function are classes of it.
SYMPY = frozenset("Float FracElement Half Integer PolyElement Rational".split())

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
    Accuracy Any BaseLayer Bound Callable Dense FunctionType GraphOperators LatticeLayer LayerParam Mapping
    Method NamedTuple NoCache NoCompiler Noisy NotConverged OneTensor Options OtherSettings Path Report Run SAVED
    Span Sparse SteadyOperators StepCheck Stepping Surface Tensor Tensors Unready
    """.split()
)

# Packages that the files of a layer import.
IMPORTED = frozenset("torch triton".split())

# Names that some file systems keep for devices, whatever their case and ending.
DEVICES = frozenset(["con", "prn", "aux", "nul", *(f"{port}{k}" for port in ("com", "lpt") for k in range(1, 10))])
