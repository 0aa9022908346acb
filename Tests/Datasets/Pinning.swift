import Datasets
import DatasetsTesting
import Foundation
import JobTypes
import PostgreSQL
import TaskProtocol
import Testing

extension TestDatasets {
  /// As if the probe of a record's operation had read a file as it is now.
  func pin(_ file: URL, in record: DatasetRecord) async throws {
    var status = stat()
    #expect(stat(file.path, &status) == 0)
    let time = Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
    let part = SourcePart(name: file.lastPathComponent, size: Int64(status.st_size), mtimeNs: time)
    let probe = MadeUp.probe(pin: SourcePin(size: part.size, mtimeNs: time, parts: [part]))
    try await administrator.query(
      "UPDATE coremachine.jobs SET results = ARRAY[$2::json] WHERE operation_id = $1 AND step = 1 AND state = 'SUCCEEDED'",
      [.int64(try #require(record.operation?.id)), .json(try JSONText.encode(probe))])
  }
}
