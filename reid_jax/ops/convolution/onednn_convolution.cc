// 2-D convolutions and their two gradients by oneDNN, as handlers that XLA's CPU backend calls.
//
// Arrays are dense: images NHWC, kernels HWIO with the outputs of a group side by side. They are
// float32, or bfloat16 with sums in float32; a kernel's gradient is float32 always.
// `onednn.py` compiles and loads this file; it needs oneDNN 3 and the headers that come with jaxlib.

#include <omp.h>

#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "oneapi/dnnl/dnnl.hpp"
#include "xla/ffi/api/ffi.h"

namespace {

namespace ffi = xla::ffi;
using dnnl::memory;
using Dims = memory::dims;
using Ints = ffi::Span<const int64_t>;
using Input = ffi::AnyBuffer;
using Output = ffi::Result<ffi::AnyBuffer>;

enum class Pass : int64_t { kForward, kInputGradient, kKernelGradient };

struct Problem {
  Dims image, kernel, result;  // NHWC, HWIO, NHWC
  Dims strides, pads, dilation;  // pads: top, bottom, left, right
  int64_t groups;
  memory::data_type type;

  std::vector<int64_t> Key(Pass pass) const {
    std::vector<int64_t> key{static_cast<int64_t>(pass), groups, static_cast<int64_t>(type)};
    for (const Dims* dims : {&image, &kernel, &result, &strides, &pads, &dilation})
      key.insert(key.end(), dims->begin(), dims->end());
    return key;
  }
};

// What oneDNN prepared for one pass of one problem.
struct Plan {
  dnnl::primitive primitive;
  memory::desc image, kernel, result;  // as XLA holds them
  memory::desc packed_kernel;          // as the primitive wants it
  memory::desc scratch;
  std::string implementation;
};

// One thread from which oneDNN is called. OpenMP keeps a team of threads for each thread that calls
// it, and XLA would call from as many as there are cores.
class Caller {
 public:
  static Caller& Get() {
    static Caller* const caller = new Caller;  // never destroyed: its thread may outlive main
    return *caller;
  }

  void Run(const std::function<void()>& task) {
    const std::lock_guard<std::mutex> turn(turn_);
    std::unique_lock<std::mutex> lock(mutex_);
    task_ = &task;
    changed_.notify_all();
    changed_.wait(lock, [this] { return task_ == nullptr; });
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  Caller() { std::thread([this] { Loop(); }).detach(); }

  void Loop() {
    omp_set_num_threads(omp_get_num_procs());  // as XLA does, whatever OMP_NUM_THREADS says
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return task_ != nullptr; });
      try {
        (*task_)();
      } catch (...) {
        error_ = std::current_exception();
      }
      task_ = nullptr;
      changed_.notify_all();
    }
  }

  std::mutex turn_, mutex_;
  std::condition_variable changed_;
  const std::function<void()>* task_ = nullptr;
  std::exception_ptr error_;
};

const dnnl::engine& Engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

template <typename Primitive, typename Description>
void Adopt(Plan& plan, const Description& description, const memory::desc& packed_kernel) {
  plan.primitive = Primitive(description);
  plan.packed_kernel = packed_kernel;
  plan.scratch = description.scratchpad_desc();
  plan.implementation = description.impl_info_str();
}

Plan MakePlan(Pass pass, const Problem& p) {
  constexpr auto kNhwc = memory::format_tag::nhwc;
  constexpr auto kDirect = dnnl::algorithm::convolution_direct;
  const auto nchw = [](const Dims& nhwc) { return Dims{nhwc[0], nhwc[3], nhwc[1], nhwc[2]}; };
  const int64_t height = p.kernel[0], width = p.kernel[1], inputs = p.kernel[2];
  const int64_t outputs = p.kernel[3], of_group = outputs / p.groups;

  Plan plan;
  plan.image = memory::desc(nchw(p.image), p.type, kNhwc);
  plan.result = memory::desc(nchw(p.result), p.type, kNhwc);
  Dims shape{of_group, inputs, height, width};
  Dims steps{1, outputs, width * inputs * outputs, inputs * outputs};
  if (p.groups > 1) {
    shape.insert(shape.begin(), p.groups);
    steps.insert(steps.begin(), of_group);
  }
  const bool is_result = pass == Pass::kKernelGradient;
  const auto kernel_type = is_result ? memory::data_type::f32 : p.type;
  plan.kernel = memory::desc(shape, kernel_type, steps);
  const memory::desc any_kernel(shape, p.type, memory::format_tag::any);
  const memory::desc any_gradient(shape, kernel_type, memory::format_tag::any);
  const Dims gaps{p.dilation[0] - 1, p.dilation[1] - 1};
  const Dims before{p.pads[0], p.pads[2]}, after{p.pads[1], p.pads[3]};
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);

  const dnnl::convolution_forward::primitive_desc forward(
      Engine(), dnnl::prop_kind::forward_training, kDirect, plan.image, any_kernel, plan.result,
      p.strides, gaps, before, after, attributes);
  const auto backward = [&](auto primitive) {
    return typename decltype(primitive)::primitive_desc(Engine(), kDirect, plan.image, any_gradient,
                                                        plan.result, p.strides, gaps, before,
                                                        after, forward, attributes);
  };
  switch (pass) {
    case Pass::kForward:
      Adopt<dnnl::convolution_forward>(plan, forward, forward.weights_desc());
      break;
    case Pass::kInputGradient: {
      const auto description = backward(dnnl::convolution_backward_data());
      Adopt<dnnl::convolution_backward_data>(plan, description, description.weights_desc());
      break;
    }
    case Pass::kKernelGradient: {
      const auto description = backward(dnnl::convolution_backward_weights());
      Adopt<dnnl::convolution_backward_weights>(plan, description, description.diff_weights_desc());
      break;
    }
  }
  return plan;
}

std::shared_ptr<const Plan> PlanFor(Pass pass, const Problem& problem) {
  static std::mutex mutex;
  static std::map<std::vector<int64_t>, std::shared_ptr<const Plan>> plans;
  const std::lock_guard<std::mutex> lock(mutex);
  const std::vector<int64_t> key = problem.Key(pass);
  const auto found = plans.find(key);
  if (found != plans.end()) return found->second;
  return plans[key] = std::make_shared<const Plan>(MakePlan(pass, problem));
}

void Run(Pass pass, const Problem& problem, void* image, void* kernel, void* result) {
  const auto plan = PlanFor(pass, problem);
  dnnl::stream stream(Engine());
  memory plain(plan->kernel, Engine(), kernel);
  const bool packing = plan->packed_kernel != plan->kernel;
  memory packed = packing ? memory(plan->packed_kernel, Engine()) : plain;
  const bool kernel_is_result = pass == Pass::kKernelGradient;
  if (packing && !kernel_is_result) dnnl::reorder(plain, packed).execute(stream, plain, packed);
  plan->primitive.execute(
      stream,
      {{pass == Pass::kInputGradient ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC,
        memory(plan->image, Engine(), image)},
       {kernel_is_result ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, packed},
       {pass == Pass::kForward ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST,
        memory(plan->result, Engine(), result)},
       {DNNL_ARG_SCRATCHPAD, memory(plan->scratch, Engine())}});
  if (packing && kernel_is_result) dnnl::reorder(packed, plain).execute(stream, packed, plain);
  stream.wait();
}

template <typename Buffer>
memory::data_type TypeOf(Buffer& buffer) {
  return buffer.element_type() == ffi::BF16 ? memory::data_type::bf16 : memory::data_type::f32;
}

Dims Sizes(Ints values) { return Dims(values.begin(), values.end()); }

// The handler of a pass: `image`, `kernel` and `result` are two operands and what is computed.
template <typename Image, typename Kernel, typename Result>
ffi::Error Handle(Pass pass, Image& image, Kernel& kernel, Result& result, Ints strides, Ints pads,
                  Ints dilation, int64_t groups) {
  try {
    const Problem problem{Sizes(image.dimensions()),  Sizes(kernel.dimensions()),
                          Sizes(result.dimensions()), Sizes(strides),
                          Sizes(pads),                Sizes(dilation),
                          groups,
                          TypeOf(pass == Pass::kForward ? image : result)};
    Caller::Get().Run([&] {
      Run(pass, problem, image.untyped_data(), kernel.untyped_data(), result.untyped_data());
    });
    return ffi::Error::Success();
  } catch (const std::exception& error) {
    return ffi::Error::Internal(std::string("oneDNN: ") + error.what());
  }
}

ffi::Error Forward(Input image, Input kernel, Output result, Ints strides, Ints pads,
                   Ints dilation, int64_t groups) {
  return Handle(Pass::kForward, image, kernel, *result, strides, pads, dilation, groups);
}

ffi::Error InputGradient(Input kernel, Input gradient, Output image, Ints strides, Ints pads,
                         Ints dilation, int64_t groups) {
  return Handle(Pass::kInputGradient, *image, kernel, gradient, strides, pads, dilation, groups);
}

ffi::Error KernelGradient(Input image, Input gradient, Output kernel, Ints strides, Ints pads,
                          Ints dilation, int64_t groups) {
  return Handle(Pass::kKernelGradient, image, *kernel, gradient, strides, pads, dilation, groups);
}

auto Binding() {
  return ffi::Ffi::Bind()
      .Arg<Input>()
      .Arg<Input>()
      .Ret<ffi::AnyBuffer>()
      .Attr<Ints>("strides")
      .Attr<Ints>("pads")
      .Attr<Ints>("dilation")
      .Attr<int64_t>("groups");
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(ConvolutionForward, Forward, Binding());
XLA_FFI_DEFINE_HANDLER_SYMBOL(ConvolutionInputGradient, InputGradient, Binding());
XLA_FFI_DEFINE_HANDLER_SYMBOL(ConvolutionKernelGradient, KernelGradient, Binding());

// Writes the name of oneDNN's implementation of a pass into `name`; empty where it has none.
// `numbers`: image, kernel, result (4 each), strides (2), pads (4), dilation (2), groups, and 1 for
// bfloat16, which oneDNN does without instructions for it too, but slowly.
extern "C" void ConvolutionImplementation(int64_t pass, const int64_t* numbers, char* name,
                                          size_t size) {
  name[0] = '\0';
  std::string found;
  try {
    const auto take = [&numbers](int count) {
      const Dims dims(numbers, numbers + count);
      numbers += count;
      return dims;
    };
    constexpr int kNarrow = static_cast<int>(dnnl::cpu_isa::avx512_core_bf16);
    const bool narrow = numbers[19] != 0;
    if (narrow && (static_cast<int>(dnnl::get_effective_cpu_isa()) & kNarrow) != kNarrow) return;
    const auto type = narrow ? memory::data_type::bf16 : memory::data_type::f32;
    const Problem problem{take(4), take(4), take(4), take(2), take(4), take(2), *numbers, type};
    found = PlanFor(static_cast<Pass>(pass), problem)->implementation;
  } catch (const std::exception&) {
  }
  std::strncpy(name, found.c_str(), size - 1);
  name[size - 1] = '\0';
}
