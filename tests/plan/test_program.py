"""Programs whose kernels, bytes and exchanges are counted by hand."""

import jax
import jax.numpy as jnp

from reid_jax.hlo import arrays_of, read_hlo
from reid_jax.plan.program import count

LOOP = """
HloModule a_loop

%sliced (p.0: f32[100,8], p.1: s32[]) -> f32[1,8] {
  %p.0 = f32[100,8]{1,0} parameter(0)
  %p.1 = s32[] parameter(1)
  %zero = s32[] constant(0)
  %row = f32[1,8]{1,0} dynamic-slice(%p.0, %p.1, %zero), dynamic_slice_sizes={1,8}
  ROOT %twice = f32[1,8]{1,0} add(%row, %row)
}

%updated (q.0: f32[100,8], q.1: f32[1,8], q.2: s32[]) -> f32[100,8] {
  %q.0 = f32[100,8]{1,0} parameter(0)
  %q.1 = f32[1,8]{1,0} parameter(1)
  %q.2 = s32[] parameter(2)
  %none = s32[] constant(0)
  ROOT %put = f32[100,8]{1,0} dynamic-update-slice(%q.0, %q.1, %q.2, %none)
}

%body (state: (s32[], f32[100,8])) -> (s32[], f32[100,8]) {
  %state = (s32[], f32[100,8]{1,0}) parameter(0)
  %i = s32[] get-tuple-element(%state), index=0
  %x = f32[100,8]{1,0} get-tuple-element(%state), index=1
  %take = f32[1,8]{1,0} fusion(%x, %i), kind=kLoop, calls=%sliced
  %keep = f32[100,8]{1,0} fusion(%x, %take, %i), kind=kLoop, calls=%updated
  %one = s32[] constant(1)
  %next = s32[] add(%i, %one)
  ROOT %both = (s32[], f32[100,8]{1,0}) tuple(%next, %keep)
}

ENTRY %main (x: f32[100,8], w: bf16[8,8]) -> bf16[100,8] {
  %x = f32[100,8]{1,0} parameter(0)
  %w = bf16[8,8]{1,0:T(8,128)(2,1)S(1)} parameter(1)
  %start = s32[] constant(0)
  %given = (s32[], f32[100,8]{1,0}) tuple(%start, %x)
  %loop = (s32[], f32[100,8]{1,0}) while(%given), body=%body, b={"known_trip_count":{"n":"5"}}
  %y = f32[100,8]{1,0} get-tuple-element(%loop), index=1
  %flat = f32[800]{0} bitcast(%y)
  %moving = (f32[100,8]{1,0:S(1)}, f32[100,8]{1,0}, u32[]) copy-start(%y)
  %there = f32[100,8]{1,0:S(1)} copy-done(%moving)
  ROOT %z = bf16[100,8]{1,0} custom-call(%there, %w), custom_call_target="__cublas$gemm"
}
"""


def test_a_loop_counts_by_its_trips_slices_by_what_they_take_and_on_chip_memory_not():
    program = count(read_hlo(LOOP), 1)
    row, whole = 4 * 8, 4 * 800
    taking = row + 4 + row  # the row, where it is, the result
    keeping = row + row + 4  # the row, what is written of the rest, where
    adding = 3 * 4
    assert program.number_of_kernels == 5 * 3 + 2
    assert program.hbm_bytes == 5 * (taking + keeping + adding) + whole + 2 * 800
    assert [each.kind for each in program.kernels if each.times == 1] == ["copy", "dot"]
    assert not program.unknown


SQUARES = """
HloModule squares_of_parts

%fused (p.0: f32[100]) -> (f32[10], f32[20]) {
  %p.0 = f32[100]{0} parameter(0)
  %square = f32[100]{0} multiply(%p.0, %p.0)
  %first = f32[10]{0} slice(%square), slice={[0:10]}, metadata={op_name="first"}
  %again = f32[10]{0} slice(%p.0), slice={[0:10]}, metadata={op_name="again"}
  %sum = f32[10]{0} add(%first, %again)
  %second = f32[20]{0} slice(%square), slice={[10:30]}
  ROOT %both = (f32[10]{0}, f32[20]{0}) tuple(%sum, %second)
}

ENTRY %main (x: f32[100]) -> (f32[10], f32[20]) {
  %x = f32[100]{0} parameter(0)
  ROOT %y = (f32[10]{0}, f32[20]{0}) fusion(%x), kind=kLoop, calls=%fused
}
"""


def test_slices_behind_what_goes_element_by_element_are_what_is_read_once():
    assert count(read_hlo(SQUARES), 1).hbm_bytes == 4 * (10 + 20) * 2
    whole = SQUARES.replace("slice(%square), slice={[10:30]}", "reduce(%square)")
    assert count(read_hlo(whole), 1).hbm_bytes == 4 * (100 + 10 + 20)


def test_a_loop_without_a_number_counts_once_and_is_named():
    program = count(read_hlo(LOOP.replace("known_trip_count", "unknown")), 1)
    assert program.number_of_kernels == 3 + 2
    assert program.unknown == ["loop"]


def test_of_a_choice_the_branch_that_moves_most_counts():
    text = """
%small (a: f32[2]) -> f32[2] {
  %a = f32[2]{0} parameter(0)
  ROOT %b = f32[2]{0} negate(%a)
}

%large (a: f32[2]) -> f32[2] {
  %a = f32[2]{0} parameter(0)
  %b = f32[2]{0} negate(%a)
  ROOT %c = f32[2]{0} negate(%b)
}

ENTRY %main (p: pred[], x: f32[2]) -> f32[2] {
  %p = pred[] parameter(0)
  %x = f32[2]{0} parameter(1)
  ROOT %r = f32[2]{0} conditional(%p, %x, %x), true_computation=%small, false_computation=%large
}
"""
    program = count(read_hlo(text), 1)
    assert (program.number_of_kernels, program.hbm_bytes) == (2, 2 * 16)


def test_types_are_read():
    tuple_type = "(bf16[8,128]{1,0:T(8,128)(2,1)S(1)}, u32[], pred[3]{0}, s4[5]{0}, token[])"
    arrays = arrays_of(tuple_type)
    assert [each.bytes for each in arrays] == [2048, 4, 3, 3, 0]
    assert [each.on_chip for each in arrays] == [True, False, False, False, False]


def test_what_this_machine_compiles_is_read():
    compiled = jax.jit(lambda x, y: jnp.sin(x) @ y).lower(jnp.ones((8, 4)), jnp.ones((4, 2)))
    program = count(read_hlo(compiled.compile().as_text()), 1)
    assert program.number_of_kernels >= 1
    assert program.hbm_bytes >= 4 * (8 * 4 + 4 * 2 + 8 * 2)


SUMS = """
HloModule two_sums

%summed (p.0: f32[10,8]) -> ((f32[8], f32[8]), f32[10,8]) {
  %p.0 = f32[10,8]{1,0} parameter(0)
  %nothing = f32[] constant(0)
  %sums = (f32[8]{0}, f32[8]{0}) reduce(%p.0, %p.0, %nothing, %nothing), dimensions={0}
  ROOT %all = ((f32[8]{0}, f32[8]{0}), f32[10,8]{1,0}) tuple(%sums, %p.0)
}

ENTRY %main (x: f32[10,8]) -> ((f32[8], f32[8]), f32[10,8]) {
  %x = f32[10,8]{1,0} parameter(0)
  ROOT %f = ((f32[8]{0}, f32[8]{0}), f32[10,8]{1,0}) fusion(%x), kind=kInput, calls=%summed
}
"""


def test_every_result_of_a_fusion_is_written_also_behind_one_that_gives_two():
    assert count(read_hlo(SUMS), 1).hbm_bytes == 4 * (80 + 8 + 8 + 80)


def test_rows_that_are_put_in_place_count_and_the_rest_of_the_array_does_not():
    text = """
%put (t: f32[1000,8], i: s32[3,1], u: f32[3,8]) -> f32[1000,8] {
  %t = f32[1000,8]{1,0} parameter(0)
  %i = s32[3,1]{1,0} parameter(1)
  %u = f32[3,8]{1,0} parameter(2)
  ROOT %s = f32[1000,8]{1,0} scatter(%t, %i, %u), to_apply=%add
}

ENTRY %main (t: f32[1000,8], i: s32[3,1], u: f32[3,8]) -> f32[1000,8] {
  %t = f32[1000,8]{1,0} parameter(0)
  %i = s32[3,1]{1,0} parameter(1)
  %u = f32[3,8]{1,0} parameter(2)
  ROOT %f = f32[1000,8]{1,0} fusion(%t, %i, %u), kind=kInput, calls=%put
}
"""
    rows, places = 4 * 3 * 8, 4 * 3
    assert count(read_hlo(text), 1).hbm_bytes == rows + places + 2 * rows
