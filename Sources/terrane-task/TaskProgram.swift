import DatasetTasks
import Geospatial
import Glibc
import TaskProtocol

/// Exit codes; the reports on the pipe decide, the code is for people.
enum ExitCode {
  static let completed: Int32 = 0
  static let failed: Int32 = 1
  /// No usable assignment, or an unknown argument.
  static let unusable: Int32 = 2
  static let cancelled: Int32 = 3
}

/// Ends the process without running destructors: GDAL's may wait for a file system that does not answer.
func exitProcess(_ code: Int32) -> Never {
  fflush(nil)
  _exit(code)
}

func writeError(_ text: String) { _ = Array(text.utf8).withUnsafeBytes { write(2, $0.baseAddress, $0.count) } }

/// The life of a child: assignment, limits, command reader, work, last report.
enum TaskProgram {
  /// Where reports go.
  private static let reportDescriptor: Int32 = 3
  /// A cancelled task that has not left its library call by then is ended.
  private static let cancelGrace: UInt32 = 1_500_000

  static func run() -> Int32 {
    signal(SIGPIPE, SIG_IGN)  // A supervisor that is gone shows as a failed write.
    guard fcntl(reportDescriptor, F_GETFD) >= 0 else {
      writeError("terrane-task: descriptor 3 is not open; this program is started by terraned.\n")
      return ExitCode.unusable
    }
    _ = fcntl(reportDescriptor, F_SETFD, FD_CLOEXEC)
    let reporter = TaskReporter { report in send(report) }
    var lines = LineAssembler(limit: TaskProtocolLimits.assignmentLine)
    guard let (first, rest) = readAssignment(&lines) else { return ExitCode.unusable }
    let assignment: TaskAssignment
    do { assignment = try TaskAssignment(line: first) } catch {
      writeError("terrane-task: unusable assignment: \(error)\n")
      send(.failed(ProblemReport(reason: "PARAMETERS_INVALID", message: "The assignment cannot be read: \(error)")))
      return ExitCode.unusable
    }
    ResourceLimits.apply(memory: assignment.memoryLimitBytes)
    GDALLibrary.configure(scratch: assignment.scratchDirectory)
    for line in rest { obey(line, reporter) }
    CommandReader(lines: lines, reporter: reporter).start()
    ReadWatch(reporter: reporter).start()
    let report = TaskHandlers.run(TaskContext(assignment: assignment, reporter: reporter))
    sendLast(report, scratch: assignment.scratchDirectory)
    switch report {
    case .completed, .completedInFile: return ExitCode.completed
    case .failed(let problem): return problem.reason == "CANCELLED" ? ExitCode.cancelled : ExitCode.failed
    default: return ExitCode.failed
    }
  }

  private static func readAssignment(_ lines: inout LineAssembler) -> ([UInt8], ArraySlice<[UInt8]>)? {
    while let bytes = readInput() {
      do {
        let complete = try lines.append(bytes)
        if let first = complete.first { return (first, complete.dropFirst()) }
      } catch {
        writeError("terrane-task: \(error)\n")
        return nil
      }
    }
    writeError("terrane-task: stdin ended before the assignment.\n")
    return nil
  }

  /// Bytes from stdin, nil at its end.
  static func readInput() -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = read(0, &buffer, buffer.count)
      if count < 0 && errno == EINTR { continue }
      return count > 0 ? Array(buffer[..<count]) : nil
    }
  }

  /// Carries out a supervisor's line.
  static func obey(_ line: [UInt8], _ reporter: TaskReporter) {
    guard (try? SupervisorCommand(line: line)) == .cancel else { return }
    reporter.cancel()
    startThread {
      usleep(cancelGrace)
      exitProcess(ExitCode.cancelled)
    }
  }

  static func send(_ report: TaskReport) {
    do { writeAll(try report.line()) } catch { writeError("terrane-task: a report could not be written: \(error)\n") }
  }

  /// The last report; a result too long for a line goes into a file of the scratch directory.
  private static func sendLast(_ report: TaskReport, scratch: String) {
    if case .completed(let result) = report, (try? report.line()) == nil {
      let bytes = Array(result.utf8)
      let descriptor = open(scratch + "/result.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
      let written = descriptor >= 0 && bytes.count <= TaskProtocolLimits.resultFile && writeAll(bytes, to: descriptor)
      let isFull = !written && (errno == ENOSPC || errno == EDQUOT)
      if descriptor >= 0 { close(descriptor) }
      send(
        written
          ? .completedInFile("result.json")
          : .failed(
            isFull
              ? ProblemReport(
                reason: "DISK_FULL", message: "No space is left for the result of \(bytes.count) bytes.",
                transient: true)
              : ProblemReport(
                reason: "INTERNAL",
                message: "The result of \(bytes.count) bytes could not be handed over; "
                  + "\(TaskProtocolLimits.resultFile) are allowed.")))
    } else {
      send(report)
    }
  }

  @discardableResult
  private static func writeAll(_ bytes: [UInt8], to descriptor: Int32 = reportDescriptor) -> Bool {
    var at = 0
    while at < bytes.count {
      let count = bytes[at...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { return false }
      at += count
    }
    return true
  }
}
