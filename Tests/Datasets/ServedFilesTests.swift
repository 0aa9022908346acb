import CoreMachine
import Foundation
import TaskProtocol
import Testing
@testable import Datasets

@Suite struct ServedFilesTests {
  let folder: String
  let files: ServedFiles
  let name = ServedFiles.name(AttemptIdentity(subject: 12, operationID: 34, taskID: 56, attempt: 1))

  init() throws {
    folder = NSTemporaryDirectory() + "served-files-\(UUID().uuidString)"
    files = ServedFiles(root: folder + "/files")
    try FileManager.default.createDirectory(atPath: folder + "/files", withIntermediateDirectories: true)
  }

  private func written(_ text: String = "pixels") throws -> String {
    let path = "\(folder)/raster.tif"
    try text.write(toFile: path, atomically: false, encoding: .utf8)
    return path
  }

  @Test func aFileIsMovedOnceAndStays() throws {
    let path = try written()
    #expect(try files.take(path, as: name) == 6)
    #expect(files.exists(name) && files.all() == [name] && !FileManager.default.fileExists(atPath: path))
    // The transaction was lost: done again, it is there already.
    #expect(try files.take(path, as: name) == 6)
    try files.remove(name)
    try files.remove(name)
    #expect(!files.exists(name) && files.all().isEmpty)
    #expect(try FileManager.default.contentsOfDirectory(atPath: files.root).isEmpty, "its folders are gone with it")
  }

  @Test func aLinkIsNeverServed() throws {
    let secret = "\(folder)/secret"
    try "s".write(toFile: secret, atomically: false, encoding: .utf8)
    let path = "\(folder)/raster.tif"
    try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: secret)
    #expect(throws: ProblemReport.self) { try files.take(path, as: name) }
    try FileManager.default.removeItem(atPath: path)
    // A second name of a file: it could be written to under the other.
    #expect(link(secret, path) == 0)
    #expect(throws: ProblemReport.self) { try files.take(path, as: name) }
    #expect(throws: ProblemReport.self) { try files.take("\(folder)/none.tif", as: name) }
    #expect(files.all().isEmpty)
  }

  @Test func onlyOurNamesAreRemoved() throws {
    try "x".write(toFile: folder + "/x.tif", atomically: false, encoding: .utf8)
    for wrong in ["../x.tif", "/etc/passwd", "1/2/3.tif", "1/2/3-1.tif/../../x", "", "1/2/3-1.tif\n"] {
      #expect(!ServedFiles.isName(wrong))
      #expect(throws: Problem.self) { try files.remove(wrong) }
    }
    #expect(FileManager.default.fileExists(atPath: folder + "/x.tif"))
  }
}
