// SPDX-License-Identifier: MIT
#include "app.h"

#include <fcntl.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "background.h"
#include "control/command_table.h"
#include "control/config_document.h"
#include "control/control_directory.h"
#include "control/control_sessions.h"
#include "control/files_document.h"
#include "control/hot_set_keeper.h"
#include "control/map_command.h"
#include "control/mount_commands.h"
#include "control/page_commands.h"
#include "control/pin_commands.h"
#include "control/pin_keeper.h"
#include "descriptor_limit.h"
#include "fs/file_system.h"
#include "fs/thread_ids.h"
#include "fuse/adapter.h"
#include "fuse/adapter_control.h"
#include "fuse/backing.h"
#include "fuse/invalidator.h"
#include "fuse/session.h"
#include "log.h"
#include "metrics/metrics_document.h"
#include "metrics/metrics_server.h"
#include "metrics/mount_figures.h"
#include "metrics/operation_counters.h"
#include "metrics/status_document.h"
#include "mmapdir/mapping_cache.h"
#include "mount_table.h"
#include "preflight.h"
#include "read_ahead.h"
#include "read_path_choice.h"
#include "selinux.h"
#include "service_notifier.h"
#include "version.h"
#include "watch/expire_names.h"
#include "watch/source_mounts.h"
#include "watch/watcher.h"

namespace mmapdirfs {
namespace {

// How the descriptors that the process may have are shared out. A search index or a source tree has
// far fewer than 512 directories in use at a time; 64 are enough for all threads' lookups.
FileSystemConfig descriptor_budget() {
  constexpr rlim_t kCached = 512;
  constexpr rlim_t kReserve = 64;
  FileSystemConfig config;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    const rlim_t all = std::min<rlim_t>(limit.rlim_cur, std::numeric_limits<int>::max());
    config.cached_descriptors = std::clamp<rlim_t>(all / 4, 1, kCached);
    config.descriptor_limit = static_cast<int>(all - std::min(all / 4, kReserve));
  }
  return config;
}

mmapdir::MappingLimits mapping_limits(const Options& options) {
  auto limits = mmapdir::MappingLimits::from_system();
  if (options.max_mappings) {
    limits.max_mappings = *options.max_mappings;
  }
  return limits;
}

// See Negotiation. Whether root's files can be passed through is known too late, so root has to say
// that they aren't to be.
bool opens_without_message(const Options& options, const MountPlan& plan) {
  const bool maps =
      options.read_path ? *options.read_path != ReadPath::kPassthrough : ::geteuid() != 0;
  return plan.is_read_only && options.cache.mode == CacheMode::kAlways && maps;
}

// An ordinary user's own mount needs no check in the kernel: the source checks the daemon, which is
// that user. Everybody else is checked by the kernel, which must know the ACLs for it.
bool kernel_checks_permissions(const Options& options, const MountPlan& plan) {
  return ::geteuid() == 0 || options.has_mount_option("allow_other") ||
         options.has_mount_option("default_permissions") || opens_without_message(options, plan);
}

std::vector<std::string> session_options(const Options& options, const MountPlan& plan) {
  std::vector<std::string> result;
  const auto names = [&options](std::string_view prefix) {
    return std::ranges::any_of(options.mount_options,
                               [&](const auto& option) { return option.starts_with(prefix); });
  };
  if (!names("fsname=")) {
    result.push_back("fsname=" + plan.source);
  }
  if (!names("subtype=")) {
    result.emplace_back("subtype=mmapdirfs");
  }
  result.insert(result.end(), options.mount_options.begin(), options.mount_options.end());
  // The ACLs that INIT agrees on make the kernel check as well, but a visitor may be there before.
  if (kernel_checks_permissions(options, plan) &&
      !options.has_mount_option("default_permissions")) {
    result.emplace_back("default_permissions");
  }
  if (plan.is_read_only && !options.has_mount_option("ro")) {
    result.emplace_back("ro");
  }
  for (const auto& option : plan.taken_over) {
    if (!options.has_mount_option(option)) {
      result.push_back(option);
    }
  }
  return result;
}

// Files that the kernel has forgotten and that their handles still lead to: some 170 bytes each.
constexpr std::size_t kRememberedFiles = 32'768;

// Nodes are counted up from the time of the mount, with room for a million files found in each
// millisecond; so no two mounts of a source give the same node to two files. Below 2^63, where the
// control directory's begin, until the year 2248.
std::uint64_t first_node() {
  constexpr unsigned kRoomBits = 20;
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  return static_cast<std::uint64_t>(now.count()) << kRoomBits;
}

Negotiation negotiation(const Options& options, const MountPlan& plan) {
  Negotiation result;
  result.want_passthrough = !options.read_path || *options.read_path == ReadPath::kPassthrough;
  result.want_posix_acl = kernel_checks_permissions(options, plan);
  result.access = plan.is_read_only ? Access::kReadOnly : Access::kReadWrite;
  result.opens_without_message = opens_without_message(options, plan);
  result.backing_stack_depth = is_stacked(plan.root.get()) ? 1 : 0;
  result.maps_ids = options.idmap;
  return result;
}

// The objects of one mount, in the order in which they need each other; they go in reverse.
class Mount {
 public:
  static std::expected<std::unique_ptr<Mount>, StartError> create(const Options& options,
                                                                  MountPlan plan) {
    auto mount = std::unique_ptr<Mount>(new Mount(options, std::move(plan)));
    if (auto started = mount->start(); !started) {
      return std::unexpected(started.error());
    }
    return mount;
  }

  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;
  // The session goes first. Requests that wait for locks must be answered before, and the
  // registrations of files that are still open go with it.
  //
  // What is being forgotten waits for requests that are under way; so they are answered until then.
  //
  // Then all that holds the source, which somebody may be waiting to unmount. What takes time comes
  // last: to close the watches, which don't hold it, takes the kernel 15 ms.
  ~Mount() {
    metrics_server_.reset();
    if (session_) {
      session_->finish([this] { stop_threads(); });
    } else {
      stop_threads();
    }
    backings_.detach();
    session_.reset();
    adapter_.reset();
    pins_.reset();
    if (fs_) {
      fs_->let_go_of_source();
    }
    cache_.clear();
    plan_.root.reset();
  }

  // Logs what was mounted, how it will be read, and what would make it better.
  void announce() const {
    if (!choice_.advice.empty()) {
      spdlog::warn("read path {}: {}", name_of(choice_.path), choice_.advice);
    }
    if (options_.cache.mode == CacheMode::kNever && !adapter_->features().direct_io_mmap) {
      spdlog::warn(
          "--cache=never: shared mappings of mounted files fail on this kernel (Linux 6.6 and "
          "newer have them)");
    }
    if (options_.idmap && !tells_users_of_threads()) {
      spdlog::warn(
          "--idmap=on: neither a pidfd (Linux 6.13) nor /proc, which isn't that of the daemon's "
          "pid namespace, tells who makes requests, so everybody is taken for nobody: set-user-id "
          "bits go from what root changes, and the control directory is closed");
    }
    if (!plan_.taken_over.empty()) {
      spdlog::info("the source is mounted {0}, and so is the mount; -o exec, suid or dev allows it",
                   fmt::join(plan_.taken_over, ","));
    }
    if (metrics_server_) {
      spdlog::info("metrics at {}", metrics_server_->url());
    }
    spdlog::info("mounted {} on {} (read path {}, cache {}, over {}{})", plan_.source,
                 plan_.mountpoint, name_of(choice_.path), name_of(options_.cache.mode),
                 session_->uses_io_uring() ? "io_uring" : "/dev/fuse",
                 plan_.is_read_only ? ", read-only" : "");
  }

  // Linux 6.18 now and then lets the device's last reading fail with ECONNABORTED where the mount
  // is taken away, rather than with ENODEV.
  Result<void> serve() {
    auto served = session_->serve();
    if (!served && served.error().errnum() == ECONNABORTED && is_taken_away()) {
      return {};
    }
    return served;
  }

  // As it is now. Any thread may ask.
  MountFigures figures() const {
    return {.identity = identity(),
            .uptime = std::chrono::steady_clock::now() - mounted_,
            .threads = count_threads(),
            .descriptors = count_descriptors(),
            .objects = fs_->counts(),
            .mappings = cache_.counters(),
            .mapping_limits = mapping_limits(options_),
            .locks = fs_->lock_counts(),
            .watch = watcher_ ? watcher_->counts() : WatchCounts{},
            .invalidations = invalidator_.counts(),
            .pins = pin_figures(),
            .hot_set = hot_set_figures(),
            .operations = operations_.figures()};
  }

 private:
  Mount(const Options& options, MountPlan plan)
      : options_(options), plan_(std::move(plan)), cache_(mapping_limits(options)) {}

  PinFigures pin_figures() const {
    if (!pins_) {
      return {};
    }
    const auto totals = pins_->totals();
    return {.files = totals.files,
            .intended_bytes = totals.intended_bytes,
            .pinned_bytes = totals.pinned_bytes};
  }

  HotSetFigures hot_set_figures() const {
    if (!hot_set_) {
      return {};
    }
    const auto [state, saved] = hot_set_->figures();
    return {.file = hot_set_->file().string(),
            .last_saved =
                saved ? std::optional(std::chrono::system_clock::to_time_t(*saved)) : std::nullopt,
            .state = std::string(name_of(state))};
  }

  MountIdentity identity() const {
    auto [version, libfuse] = versions();
    return {.version = std::move(version),
            .libfuse = std::move(libfuse),
            .pid = ::getpid(),
            .source = plan_.source,
            .mountpoint = plan_.mountpoint,
            .is_read_only = plan_.is_read_only,
            .read_path = name_of(choice_.path),
            .read_path_reason = choice_.advice,
            .transport = session_->uses_io_uring() ? "io_uring" : "/dev/fuse",
            .options = config_document(options_),
            .unwatched_reason = unwatched_reason_};
  }

  FileSystemConfig file_system_config() const {
    FileSystemConfig config = descriptor_budget();
    config.kernel_checks_permissions = kernel_checks_permissions(options_, plan_);
    config.owns_source = options_.cache.mode == CacheMode::kAlways;
    config.checks_versions = options_.cache.mode == CacheMode::kAuto;
    config.labels_are_unused = !machine_has_selinux();
    config.keeps_noexec = !options_.has_mount_option("exec");
    config.advice = options_.advice_rules;
    config.memory = {.first_node = first_node(), .forgotten = kRememberedFiles};
    config.access = plan_.is_read_only ? Access::kReadOnly : Access::kReadWrite;
    if (opens_without_message(options_, plan_)) {
      config.kept_inodes = 0;  // the adapter keeps handles
    }
    return config;
  }

  std::expected<void, StartError> start() {
    auto fs = FileSystem::create(UniqueFd(::dup(plan_.root.get())), file_system_config(), cache_,
                                 backings_);
    if (!fs) {
      return std::unexpected(StartError{fs.error().message()});
    }
    fs_ = std::move(*fs);
    adapter_ = std::make_unique<Adapter>(*fs_, invalidator_, CachePolicy(options_.cache),
                                         negotiation(options_, plan_));
    if (options_.control) {
      make_control_directory(*options_.control);
    }
    auto session = Session::create(*adapter_, operations_, session_options(options_, plan_));
    if (!session) {
      return std::unexpected(session.error());
    }
    session_ = std::make_unique<Session>(std::move(*session));
    invalidator_.attach(session_->handle());
    if (const auto mounted = session_->mount(plan_.mountpoint, {.io_uring = options_.io_uring,
                                                                .threads = options_.threads,
                                                                .maps_ids = options_.idmap});
        !mounted) {
      return std::unexpected(mounted.error());
    }
    backings_.attach(session_->device());
    if (auto settled = settle(); !settled) {
      return settled;
    }
    add_commands();
    if (options_.hot_set) {
      hot_set_.emplace(plan_.root.get(), *options_.hot_set, options_.hot_set_interval);
    }
    return serve_metrics();
  }

  void make_control_directory(const std::string& name) {
    const auto reads =
        opens_without_message(options_, plan_) ? ControlReads::kByNode : ControlReads::kByHandle;
    control_directory_.emplace(name, [this] { return source_has(*options_.control); }, reads);
    control_directory_->add("config", DocumentAudience::kEverybody,
                            [this] { return config_document(options_); });
    control_directory_->add("status", DocumentAudience::kEverybody,
                            [this] { return status_document(figures()); });
    control_directory_->add("metrics", DocumentAudience::kEverybody,
                            [this] { return metrics_document(figures()); });
    if (control_directory_->is_hidden()) {
      spdlog::warn(
          "the source has a '{}' itself, which is shown; --control=NAME gives the control "
          "directory another name",
          name);
    }
    control_directory_->add("files", DocumentAudience::kOwner, [this] { return files(); });
    control_directory_->add_commands("control");
    control_adapter_.emplace(*control_directory_, sessions_, *fs_, reads);
    adapter_->set_control(*control_adapter_);
  }

  // Before any request but INIT.
  void add_commands() {
    add_mount_commands(commands_, versions(), cache_, *fs_,
                       {.forget_pages =
                            [this](NodeId node, Invalidator::Done done) {
                              invalidator_.forget_pages(node, std::move(done));
                            },
                        .expire_all_names = [this] { expire_all_names(*fs_, invalidator_); }});
    add_map_command(commands_, plan_.root.get());
    add_page_commands(commands_, plan_.root.get(), plan_.mountpoint);
    pins_.emplace(plan_.root.get(), cache_,
                  [this] { return watcher_ ? watcher_->counts().changes : 0; });
    add_pin_commands(commands_, *pins_);
  }

  std::string files() const {
    std::unordered_map<SourceIdentity, std::uint64_t> pinned;
    for (const auto& file : pins_ ? pins_->list() : std::vector<mmapdir::PinnedFile>()) {
      pinned[{.device = file.device, .inode = file.inode}] += file.pinned_bytes;
    }
    return files_document(*fs_, pinned);
  }

  bool source_has(const std::string& name) const {
    struct stat info{};
    return ::fstatat(plan_.root.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
  }

  // What only a mount that stands can tell.
  std::expected<void, StartError> settle() {
    const auto found = find_mount(plan_.mountpoint);
    const auto entry = found ? *found : std::nullopt;
    if (entry) {
      fs_->refuse_device(entry->device);
      device_ = entry->device;
    }
    const auto choice = choose_read_path(options_.read_path, adapter_->features().passthrough,
                                         plan_.root.get(), backings_, cache_);
    if (!choice) {
      return std::unexpected(choice.error());
    }
    fs_->set_read_path(choice->path);
    read_ahead(choice->path);
    if (options_.cache.mode == CacheMode::kAuto) {
      make_root_known();
      start_watching();
    }
    source_mounts_.emplace(*fs_, invalidator_, [this](SourceMounts::Clock::time_point since) {
      const bool is_any_left = fs_->let_go_of_nested(since);
      return adapter_->let_go_of_nested(since) || is_any_left;
    });
    if (const auto started = source_mounts_->start(); !started) {
      spdlog::warn(
          "{}: a file system that is mounted inside the source later may be seen after an hour "
          "only",
          started.error().message());
    }
    backings_.log_first_refusal();
    choice_ = *choice;
    mounted_ = std::chrono::steady_clock::now();
    return {};
  }

  void read_ahead(ReadPath path) const {
    if (!options_.read_ahead_kib) {
      return;
    }
    if (path == ReadPath::kPassthrough) {
      spdlog::warn("--read-ahead does nothing in passthrough: the kernel reads as on the source");
    } else if (const auto set = set_read_ahead(device_, *options_.read_ahead_kib); !set) {
      spdlog::warn("--read-ahead, which takes root, isn't had: {}", set.error().message());
    }
  }

  // Last: its thread looks at all others from now on, whether or not requests are served yet.
  std::expected<void, StartError> serve_metrics() {
    if (!options_.metrics_listen) {
      return {};
    }
    auto server = MetricsServer::start(*options_.metrics_listen,
                                       [this] { return metrics_document(figures()); });
    if (!server) {
      return std::unexpected(server.error());
    }
    metrics_server_ = std::move(*server);
    return {};
  }

  // The kernel lets nobody in before it knows the root's attributes, and drops an answer that tells
  // them if a change is reported meanwhile (fuse_change_attributes, Linux 6.18): the first visitor
  // of a source that changes all the time would be turned away now and then. So it is made to ask
  // while nothing is reported yet. Later it goes by what it knew before.
  //
  // Over io_uring the kernel holds all requests back until each of the rings' threads is ready,
  // which none is that can't be waited for here: there the visitor has to come again.
  void make_root_known() {
    if (session_->uses_io_uring()) {
      return;
    }
    session_->serve_during([&] {
      struct stat found{};
      if (::stat(plan_.mountpoint.c_str(), &found) != 0) {
        spdlog::debug("look at the mount's root: {}", std::generic_category().message(errno));
      }
    });
  }

  // Without it everything works as well, but for what the kernel keeps.
  void start_watching() {
    watcher_ = std::make_unique<Watcher>(*fs_, invalidator_);
    if (const auto started = watcher_->start(); !started) {
      spdlog::warn(
          "{}: names and attributes are asked for again after a second (needed: Linux 5.17 "
          "or newer and fanotify)",
          started.error().message());
      unwatched_reason_ = started.error().message();
      return;
    }
    unwatched_reason_ = std::nullopt;
    fs_->set_watch(*watcher_);
  }

  // Another mount may be at the place by now.
  bool is_taken_away() const {
    const auto found = find_mount(plan_.mountpoint);
    const auto entry = found ? *found : std::nullopt;
    return found && (!entry || entry->device != device_);
  }

  // The invalidator goes last: the others ask it.
  void stop_threads() {
    sessions_.stop();
    if (hot_set_) {
      hot_set_->stop();
    }
    if (pins_) {
      pins_->stop();
    }
    if (watcher_) {
      watcher_->stop();
    }
    source_mounts_.reset();
    if (fs_) {
      fs_->waits().stop();
    }
    invalidator_.stop();
  }

  const Options& options_;
  MountPlan plan_;
  mmapdir::MappingCache cache_;
  DeviceBackings backings_;
  OperationCounters operations_;
  std::unique_ptr<FileSystem> fs_;
  Invalidator invalidator_;
  std::unique_ptr<Watcher> watcher_;
  std::optional<SourceMounts> source_mounts_;
  CommandTable commands_;
  ControlSessions sessions_{commands_};
  std::optional<PinKeeper> pins_;
  std::optional<HotSetKeeper> hot_set_;
  std::optional<ControlDirectory> control_directory_;
  std::optional<ControlAdapter> control_adapter_;
  std::unique_ptr<Adapter> adapter_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<MetricsServer> metrics_server_;
  dev_t device_ = 0;  // the mount's, once it stands
  // Known once it is settled.
  ReadPathChoice choice_{.path = ReadPath::kPlain, .advice = {}};
  std::optional<std::string> unwatched_reason_ = "the source isn't watched with this --cache";
  std::chrono::steady_clock::time_point mounted_;
};

int fail(const std::string& message) {
  spdlog::error("{}", message);
  return EXIT_FAILURE;
}

// Asks the daemon for its root, and not the kernel for what it keeps; the kernel holds the question
// until requests are served.
Result<void> ask(const std::string& mountpoint) {
  struct statx root{};
  if (::statx(AT_FDCWD, mountpoint.c_str(), AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &root) != 0) {
    return std::unexpected(Error::from_errno(errno, "ask the mount", mountpoint));
  }
  return {};
}

int serve(const Options& options, MountPlan plan,
          const std::function<void(const Mount&)>& on_ready) {
  raise_descriptor_limit();
  const std::string mountpoint = plan.mountpoint;
  // Who goes behind was started by a command of somebody's, and that somebody may have a manager.
  // Made before the mount, so that it waits for its question when the mount has gone.
  ServiceNotifier notifier(options.foreground ? ServiceManager::from_environment() : std::nullopt);
  auto mount = Mount::create(options, std::move(plan));
  if (!mount) {
    return fail(mount.error().message);
  }
  (*mount)->announce();
  on_ready(**mount);
  notifier.watch("Serving " + mountpoint, [&] { return ask(mountpoint).has_value(); });
  const auto served = (*mount)->serve();
  notifier.announce_stopping();
  mount->reset();
  if (!served) {
    return fail(served.error().message());
  }
  spdlog::info("unmounted {}", mountpoint);
  return EXIT_SUCCESS;
}

int wait_for_answer(Background& background, const std::string& mountpoint) {
  if (const int status = background.wait(); status != EXIT_SUCCESS) {
    return status;
  }
  const auto answered = ask(mountpoint);
  return answered ? EXIT_SUCCESS : fail(answered.error().message());
}

int serve_behind(const Options& options, MountPlan plan) {
  auto background = Background::start();
  if (!background) {
    return fail(background.error().message());
  }
  if (background->role() == Background::Role::kWaiting) {
    return wait_for_answer(*background, plan.mountpoint);
  }
  return serve(options, std::move(plan), [&](const Mount& mount) {
    log_to_syslog(options.log_level);
    mount.announce();  // again: the terminal's copy is nobody's at boot
    background->announce_ready();
  });
}

}  // namespace

int run(const Options& options) {
  log_to_stderr(options.log_level);
  auto plan = check_mount(options);
  if (!plan) {
    return fail(plan.error().message);
  }
  if (options.hot_set && lies_within(*options.hot_set, plan->mountpoint)) {
    return fail("--hot-set=" + options.hot_set->string() +
                ": it lies in the mount itself; allowed is a file outside of it");
  }
  if (plan->is_mounted) {
    spdlog::warn("'{}' is mounted on '{}' already; nothing was done, and its options stay",
                 plan->source, plan->mountpoint);
    return EXIT_SUCCESS;
  }
  return options.foreground ? serve(options, std::move(*plan), [](const Mount& /*mount*/) {})
                            : serve_behind(options, std::move(*plan));
}

}  // namespace mmapdirfs
