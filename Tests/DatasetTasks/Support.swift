import Foundation
import Geospatial
import JobTypes
import Synchronization
import TaskProtocol
import Testing

@testable import DatasetTasks

/// A folder with sources, removed with the value.
final class Folder: Sendable {
  let path: String

  init() throws {
    _ = Self.configured
    path = URL(fileURLWithPath: "/tmp").path + "/terrane-tasks-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    // Another user's child reads here too.
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  private static let configured: Void = GDALLibrary.configure()

  @discardableResult
  func write(_ name: String, _ text: String) throws -> String {
    try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    return "file://\(path)/\(name)"
  }

  func assignment(_ type: String, _ parameters: some Encodable, database: TaskDatabase? = nil) throws -> TaskAssignment
  {
    TaskAssignment(
      taskID: 1, attempt: 1, operationID: 7, jobType: type, stage: "main", parameters: try JSONText.encode(parameters),
      database: database, stagingSchema: "staging", scratchDirectory: path, allowedRoots: [path])
  }
}

/// The reports of a task that ran inside the test.
final class Reports: Sendable {
  private let list = Mutex<[TaskReport]>([])
  var all: [TaskReport] { list.withLock { $0 } }

  func run(_ assignment: TaskAssignment) -> TaskReport {
    let reporter = TaskReporter { report in self.list.withLock { $0.append(report) } }
    return TaskHandlers.run(TaskContext(assignment: assignment, reporter: reporter))
  }
}

/// GeoJSON points with a number and a name each.
func points(_ count: Int) -> String {
  let features = (0..<count).map {
    "{\"type\":\"Feature\",\"properties\":{\"n\":\($0),\"Name\":\"point \($0)\"},\"geometry\":{\"type\":\"Point\","
      + "\"coordinates\":[\(Double($0 % 3600) / 20 - 90),\(Double($0 % 1700) / 20 - 42)]}}"
  }
  return "{\"type\":\"FeatureCollection\",\"features\":[\(features.joined(separator: ",\n"))]}"
}

/// The `terrane-task` built beside the tests, as the supervisor starts it.
final class Child: Sendable {
  let process = Process()
  let commands = Pipe()
  private let reports = Pipe()

  /// Where SwiftPM puts the products of this build.
  static var program: String {
    get throws {
      var folder = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath().deletingLastPathComponent()
      for _ in 0..<5 {
        let candidate = folder.appendingPathComponent("terrane-task").path
        if FileManager.default.isExecutableFile(atPath: candidate) { return candidate }
        folder.deleteLastPathComponent()
      }
      throw CocoaError(.fileNoSuchFile)
    }
  }

  /// - Parameters:
  ///   - prefix: a program (and arguments) that starts the child, for instance to become another user.
  ///   - copy: where another user can reach a copy of the program; the checkout may be in a home folder.
  init(prefix: [String] = [], copy: String? = nil) throws {
    var program = try Self.program
    if let copy {
      try FileManager.default.copyItem(atPath: program, toPath: copy)
      program = copy
    }
    // Process closes every descriptor but 0, 1 and 2: the shell puts stdout where the child reports.
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = prefix + ["sh", "-c", "exec \"$0\" 3>&1 1>&2", program]
    process.standardInput = commands
    process.standardOutput = reports
    process.standardError = FileHandle.nullDevice
    try process.run()
  }

  func send(_ line: [UInt8]) throws { try commands.fileHandleForWriting.write(contentsOf: Data(line)) }

  /// Everything until the child has gone.
  func finish() throws -> (reports: [TaskReport], code: Int32) {
    let bytes = try reports.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    var lines = LineAssembler()
    return (try lines.append(bytes).map { try TaskReport(line: $0) }, process.terminationStatus)
  }
}
