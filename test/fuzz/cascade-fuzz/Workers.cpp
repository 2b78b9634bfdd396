//===- Workers.cpp - programs checked in processes of their own -*- C++ -*-===//
#include "test/fuzz/cascade-fuzz/Workers.h"
#include "llvm/ADT/StringExtras.h"
#include <csignal>
#include <poll.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace attn;
using namespace attn::fuzz;

Case fuzz::generate(const Job &job) {
  Choices choices =
      job.sequence.empty() ? Choices(job.seed) : Choices(job.sequence);
  return generate(choices);
}

namespace {

/// A worker checks jobs first, first + step, ... and writes, for each, its
/// index when it starts and its outcome when it ends.
struct Worker {
  pid_t process = -1;
  int pipe = -1;
  FILE *errors = nullptr; ///< what the worker wrote to stderr
  size_t next = 0;        ///< first job that has no outcome
  std::string received;
};

void writeText(FILE *to, const std::string &text) {
  uint32_t size = text.size();
  fwrite(&size, sizeof size, 1, to);
  fwrite(text.data(), 1, size, to);
}
/// Nothing if the text is not complete yet.
std::optional<std::string> takeText(const std::string &from, size_t &at) {
  uint32_t size;
  if (at + sizeof size > from.size())
    return std::nullopt;
  std::memcpy(&size, from.data() + at, sizeof size);
  if (at + sizeof size + size > from.size())
    return std::nullopt;
  std::string text = from.substr(at + sizeof size, size);
  at += sizeof size + size;
  return text;
}

std::string tail(FILE *file) {
  fflush(file);
  fseek(file, 0, SEEK_END);
  long size = ftell(file), start = std::max(0l, size - 3000);
  std::string text(size - start, 0);
  fseek(file, start, SEEK_SET);
  text.resize(fread(text.data(), 1, text.size(), file));
  return text;
}

/// Ends this process after so many seconds of its own work: how busy the
/// machine is does not matter, unless all of it stands still. 0: no limit.
void limitTime(unsigned seconds) {
  itimerval timer = {};
  timer.it_value.tv_sec = seconds;
  setitimer(ITIMER_PROF, &timer, nullptr);
  alarm(20 * seconds);
}

[[noreturn]] void work(const std::vector<Job> &jobs, size_t first, size_t step,
                       const CheckOptions &options, unsigned seconds,
                       FILE *errors, int pipe) {
  FILE *to = fdopen(pipe, "w");
  dup2(fileno(errors), 2);
  for (size_t index = first; index < jobs.size(); index += step) {
    if (ftruncate(2, 0) == 0)
      lseek(2, 0, SEEK_SET);
    limitTime(seconds);
    Outcome outcome = check(generate(jobs[index]), jobs[index].seed, options);
    limitTime(0);
    if (!outcome.stage.empty())
      outcome.message += "\n" + tail(errors);
    writeText(to, outcome.stage);
    writeText(to, outcome.message);
    writeText(to, llvm::join(outcome.laws, "\n"));
    fflush(to);
  }
  fclose(to);
  _exit(0);
}

} // namespace

void fuzz::checkAll(
    const std::vector<Job> &jobs, const CheckOptions &options, unsigned count,
    unsigned seconds,
    const std::function<void(size_t job, const Outcome &)> &done) {
  std::vector<Worker> workers(count);
  auto start = [&](Worker &worker) {
    if (worker.next >= jobs.size())
      return;
    int ends[2];
    if (pipe(ends) != 0)
      return;
    fflush(nullptr);
    worker.process = fork();
    if (worker.process == 0) {
      close(ends[0]);
      work(jobs, worker.next, count, options, seconds, worker.errors, ends[1]);
    }
    close(ends[1]);
    worker.pipe = ends[0];
    worker.received.clear();
  };
  for (unsigned index = 0; index < count; ++index) {
    workers[index].next = index;
    workers[index].errors = tmpfile();
    start(workers[index]);
  }
  while (true) {
    std::vector<pollfd> polled;
    std::vector<Worker *> running;
    for (Worker &worker : workers)
      if (worker.pipe >= 0) {
        polled.push_back({worker.pipe, POLLIN, 0});
        running.push_back(&worker);
      }
    if (running.empty())
      return;
    poll(polled.data(), polled.size(), -1);
    for (size_t index = 0; index < running.size(); ++index) {
      if (!polled[index].revents)
        continue;
      Worker &worker = *running[index];
      char buffer[65536];
      ssize_t size = read(worker.pipe, buffer, sizeof buffer);
      if (size > 0) {
        worker.received.append(buffer, size);
        size_t at = 0;
        while (true) {
          size_t begin = at;
          auto stage = takeText(worker.received, at);
          auto message = stage ? takeText(worker.received, at) : std::nullopt;
          auto laws = message ? takeText(worker.received, at) : std::nullopt;
          if (!laws) {
            worker.received.erase(0, begin);
            break;
          }
          Outcome outcome{*stage, *message, {}};
          llvm::SmallVector<llvm::StringRef> names;
          llvm::StringRef(*laws).split(names, '\n', -1, false);
          for (llvm::StringRef name : names)
            outcome.laws.push_back(name.str());
          done(worker.next, outcome);
          worker.next += count;
        }
        continue;
      }
      close(worker.pipe);
      worker.pipe = -1;
      int status = 0;
      waitpid(worker.process, &status, 0);
      if (worker.next >= jobs.size())
        continue;
      bool late = WIFSIGNALED(status) &&
                  (WTERMSIG(status) == SIGPROF || WTERMSIG(status) == SIGALRM);
      std::string how = WIFSIGNALED(status)
                            ? strsignal(WTERMSIG(status))
                            : "exit " + std::to_string(WEXITSTATUS(status));
      done(worker.next,
           {late ? "timeout" : "crash", how + "\n" + tail(worker.errors), {}});
      worker.next += count;
      start(worker);
    }
  }
}
