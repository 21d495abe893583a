// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/banded.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "plan/arena.h"

namespace tfengine::onednn {

namespace {

// Smaller sources are hardly where an engine needs its memory.
constexpr size_t kLeastSourceBytes = size_t{256} << 10;

// Bands of one form, of which only the place differs.
struct Form {
  StepSpec spec;
  std::shared_ptr<ir::Node> node;  // the step's, with the band's padding; spec.node
  std::vector<Tactic> tactics;
};

struct Band {
  size_t form;
  size_t src_byte, dst_byte;
};

struct Bands {
  std::vector<Band> bands;
  size_t first_bytes = 0;  // of the first band's result
};

// Rows of results of one image, or all those of several images.
struct Rows {
  int64_t image = 0, images = 1;
  int64_t first = 0, end = 0;
};

class Cutter {
 public:
  Cutter(const StepSpec& spec, const ops::Window& window, std::vector<Form>& forms)
      : spec_(spec), w_(window), forms_(forms), in_h_(spec.inputs[0].shape[1]), images_(spec.inputs[0].shape[0]) {
    src_row_ = row_bytes(spec.inputs[0]);
    dst_row_ = row_bytes(spec.outputs[0]);
  }

  // nullptr where the step does not fit over its source.
  std::shared_ptr<const Bands> cut() {
    Rows rows{0, 1, 0, first_rows()};
    if (rows.end == 0) return nullptr;
    result_->first_bytes = dst_row_ * static_cast<size_t>(rows.end);
    while (add(rows)) {
      if (rows.end == w_.out_h && rows.image + rows.images == images_) return result_;
      rows = next(rows);
    }
    return nullptr;
  }

 private:
  static size_t row_bytes(const TensorDesc& desc) {
    return static_cast<size_t>(desc.shape[2] * desc.shape[3]) * dtype_bytes(desc.dtype);
  }
  int64_t first_read(int64_t row) const { return std::max<int64_t>(row * w_.stride_h - w_.pad_top, 0); }
  // How many rows of results lie in front of what the results from `row` on read.
  int64_t rows_in_front(int64_t row) const {
    const size_t bytes = src_row_ * static_cast<size_t>(first_read(row));
    return std::min(static_cast<int64_t>(bytes / dst_row_), w_.out_h);
  }

  // The fewest rows behind which bands at least double what is done; 0: none.
  int64_t first_rows() const {
    for (int64_t rows = 1; rows <= w_.out_h / 4; ++rows) {
      if (rows_in_front(rows) >= 2 * rows) return rows;
    }
    return 0;
  }

  Rows next(const Rows& rows) const {
    if (rows.end < w_.out_h) return {rows.image, 1, rows.end, rows_in_front(rows.end)};
    const int64_t image = rows.image + rows.images;
    const size_t in_front = src_row_ * static_cast<size_t>(in_h_ * image);
    const auto end = static_cast<int64_t>(in_front / (dst_row_ * static_cast<size_t>(w_.out_h)));
    return {image, std::min(end, images_) - image, 0, w_.out_h};
  }

  // False where nothing is done so, or by padding alone.
  bool add(const Rows& rows) {
    if (rows.images <= 0 || rows.end <= rows.first) return false;
    const int64_t span = (w_.kernel_h - 1) * w_.dilation_h + 1;
    const int64_t top = rows.first * w_.stride_h - w_.pad_top;
    const int64_t bottom = (rows.end - 1) * w_.stride_h - w_.pad_top + span;
    const int64_t in_first = std::max<int64_t>(top, 0), in_end = std::min(bottom, in_h_);
    if (in_first >= in_end) return false;
    const std::array<int64_t, 5> form = {rows.images, in_end - in_first, rows.end - rows.first, in_first - top,
                                         bottom - in_end};
    const auto known = std::find(known_.begin(), known_.end(), form);
    const auto index = static_cast<size_t>(known - known_.begin());
    if (known == known_.end()) {
      known_.push_back(form);
      add_form(form);
    }
    result_->bands.push_back({index, src_row_ * static_cast<size_t>(rows.image * in_h_ + in_first),
                              dst_row_ * static_cast<size_t>(rows.image * w_.out_h + rows.first)});
    return true;
  }

  void add_form(const std::array<int64_t, 5>& form) {
    const auto [images, in_rows, out_rows, pad_top, pad_bottom] = form;
    Form made{spec_, std::make_shared<ir::Node>(*spec_.node), {}};
    made.node->attrs["padding"] = std::string("EXPLICIT");
    made.node->attrs["explicit_paddings"] =
        std::vector<int64_t>{0, 0, pad_top, pad_bottom, w_.pad_left, w_.pad_right, 0, 0};
    made.spec.node = made.node.get();
    made.spec.inputs[0].shape[0] = made.spec.outputs[0].shape[0] = images;
    made.spec.inputs[0].shape[1] = in_rows;
    made.spec.outputs[0].shape[1] = out_rows;
    forms_.push_back(std::move(made));
  }

  const StepSpec& spec_;
  const ops::Window& w_;
  std::vector<Form>& forms_;
  int64_t in_h_, images_;
  size_t src_row_, dst_row_;
  std::vector<std::array<int64_t, 5>> known_;
  std::shared_ptr<Bands> result_ = std::make_shared<Bands>();
};

class BandedBound : public plan::BoundKernel {
 public:
  BandedBound(std::shared_ptr<const Bands> bands, const std::vector<std::shared_ptr<const plan::Kernel>>& kernels,
              const StepArgs& args)
      : bands_(std::move(bands)), args_(args), inner_(args) {
    for (size_t form = 0; form < kernels.size(); ++form) bound_.push_back(kernels[form]->bind(of_band(first_of(form))));
  }

  void run() override {
    for (size_t i = 0; i < bands_->bands.size(); ++i) {
      const Band& band = bands_->bands[i];
      plan::BoundKernel& kernel = *bound_[band.form];
      kernel.rebind(of_band(i));
      kernel.run();
    }
    std::memcpy(args_.dst[0], args_.workspace, bands_->first_bytes);
  }

  void rebind(const StepArgs& args) override { args_ = inner_ = args; }

 private:
  size_t first_of(size_t form) const {
    const auto& bands = bands_->bands;
    const auto found = std::find_if(bands.begin(), bands.end(), [&](const Band& band) { return band.form == form; });
    return static_cast<size_t>(found - bands.begin());
  }
  // The first band's result lies over what it and the second one read: it waits at the start of the workspace.
  const StepArgs& of_band(size_t index) {
    const Band& band = bands_->bands[index];
    auto* workspace = static_cast<std::byte*>(args_.workspace);
    inner_.src[0] = static_cast<const std::byte*>(args_.src[0]) + band.src_byte;
    inner_.dst[0] = index == 0 ? workspace : static_cast<std::byte*>(args_.dst[0]) + band.dst_byte;
    inner_.workspace = workspace + plan::arena_bytes(bands_->first_bytes);
    return inner_;
  }

  std::shared_ptr<const Bands> bands_;
  StepArgs args_, inner_;
  std::vector<std::unique_ptr<plan::BoundKernel>> bound_;
};

class BandedKernel : public plan::Kernel {
 public:
  BandedKernel(std::shared_ptr<const Bands> bands, std::vector<std::shared_ptr<const plan::Kernel>> kernels)
      : bands_(std::move(bands)), kernels_(std::move(kernels)) {}
  std::unique_ptr<plan::BoundKernel> bind(const StepArgs& args) const override {
    return std::make_unique<BandedBound>(bands_, kernels_, args);
  }
  bool reads(int input) const override {
    return std::any_of(kernels_.begin(), kernels_.end(), [&](const auto& kernel) { return kernel->reads(input); });
  }
  std::span<const std::byte> weights() const override { return kernels_[0]->weights(); }

 private:
  std::shared_ptr<const Bands> bands_;
  std::vector<std::shared_ptr<const plan::Kernel>> kernels_;
};

const Tactic* find_tactic(const Form& form, const std::string& name) {
  const auto found =
      std::find_if(form.tactics.begin(), form.tactics.end(), [&](const Tactic& tactic) { return tactic.name == name; });
  return found == form.tactics.end() || found->inplace_input != ir::kNone ? nullptr : &*found;
}

// The tactic of this name for all forms, if they all have it. What it makes kernels from goes with it; they keep nothing of it.
std::optional<Tactic> banded(const std::shared_ptr<const Bands>& bands, const std::vector<Form>& forms,
                             const std::string& name) {
  Tactic tactic;
  tactic.name = name + ":bands";
  tactic.may_overwrite_start = 1;
  struct Part {
    std::shared_ptr<const ir::Node> node;  // that `prepare` points to
    std::function<std::shared_ptr<const plan::Kernel>(PackedStore&)> prepare;
  };
  std::vector<Part> parts;
  for (const Form& form : forms) {
    const Tactic* part = find_tactic(form, name);
    if (part == nullptr) return std::nullopt;
    tactic.workspace_bytes = std::max(tactic.workspace_bytes, part->workspace_bytes);
    parts.push_back({form.node, part->prepare});
  }
  tactic.workspace_bytes += plan::arena_bytes(bands->first_bytes);
  tactic.prepare = [bands, parts](PackedStore& store) -> std::shared_ptr<const plan::Kernel> {
    std::vector<std::shared_ptr<const plan::Kernel>> kernels;
    for (const Part& part : parts) kernels.push_back(part.prepare(store));
    return std::make_shared<BandedKernel>(bands, std::move(kernels));
  };
  return tactic;
}

}  // namespace

void add_banded(const StepSpec& spec, const ops::Window& window, const ListTactics& list,
                std::vector<Tactic>& tactics) {
  const TensorDesc &in = spec.inputs[0], &out = spec.outputs[0];
  if (!in.dense() || !out.dense() || spec.constants[0].defined() || spec.node->epilogue.residual != ir::kNone ||
      in.bytes() < kLeastSourceBytes * static_cast<size_t>(in.shape[0]) || out.bytes() >= in.bytes()) {
    return;
  }
  std::vector<Form> forms;
  const std::shared_ptr<const Bands> bands = Cutter(spec, window, forms).cut();
  if (bands == nullptr) return;
  for (Form& form : forms) list(form.spec, form.tactics);
  for (const Tactic& first : forms[0].tactics) {
    if (auto tactic = banded(bands, forms, first.name)) tactics.push_back(std::move(*tactic));
  }
}

}  // namespace tfengine::onednn
