internal import Geospatial
internal import Glibc
internal import JobTypes
public import TaskProtocol

/// What a handler works with.
public struct TaskContext: Sendable {
  public let assignment: TaskAssignment
  public let reporter: TaskReporter

  public init(assignment: TaskAssignment, reporter: TaskReporter) {
    self.assignment = assignment
    self.reporter = reporter
  }

  /// The assignment's parameters as the job type's own.
  func parameters<P: Decodable>(_ type: P.Type) throws(ProblemReport) -> P {
    do { return try JSONText.decode(type, from: assignment.parameters) } catch {
      throw ProblemReport(.parametersInvalid, "The parameters of \(assignment.jobType) cannot be read: \(error)")
    }
  }

  /// Hands the warnings counted so far to the supervisor.
  func report(_ tally: borrowing WarningTally) { reporter.warn(tally.taskWarnings) }
}

/// One job type's work: reads parameters, returns its result as JSON text.
protocol TaskHandler: SendableMetatype {
  /// Version the handler has; an assignment planned for a later one is refused.
  static var version: Int32 { get }
  static func run(_ context: TaskContext) throws -> String
}

/// All handlers of this program by job type.
public enum TaskHandlers {
  private static let all: [String: any TaskHandler.Type] = [
    JobType.probe: ProbeHandler.self,
    JobType.ingestVector: IngestVectorHandler.self,
    JobType.stacCatalogVectors: StacCatalogVectorsHandler.self,
    JobType.validateRaster: ValidateRasterHandler.self,
    JobType.processRaster: ProcessRasterHandler.self,
    JobType.stacCatalogRaster: StacCatalogRasterHandler.self,
    JobType.validateRasters: ValidateFileHandler.self,
    JobType.processRasters: ProcessRasterHandler.self,
    JobType.processLargeRaster: LargeRasterHandler.self,
    JobType.createMosaic: CreateMosaicHandler.self,
    JobType.generateTileCache: TileCacheHandler.self,
    JobType.mosaicDatasets: MosaicDatasetsHandler.self,
    JobType.stacCatalogCollection: StacCatalogCollectionHandler.self,
    JobType.verify: VerifyHandler.self,
  ]

  /// Runs the assigned task to its last report, which is returned and not yet sent.
  public static func run(_ context: TaskContext) -> TaskReport {
    let report: TaskReport
    do {
      guard let handler = all[context.assignment.jobType] else {
        throw ProblemReport(.jobTypeUnknown, "There is no job type \(context.assignment.jobType).")
      }
      guard context.assignment.handlerVersion <= handler.version else {
        throw ProblemReport(
          .jobTypeUnknown,
          "\(context.assignment.jobType) is wanted in version \(context.assignment.handlerVersion); this is "
            + "\(handler.version).")
      }
      report = .completed(result: try handler.run(context))
    } catch {
      report = .failed(ProblemReport(error))
    }
    context.reporter.flushWarnings()
    return report
  }
}

extension ProblemReport {
  init(_ reason: Reason, _ message: String, transient: Bool = false, details: [String: String] = [:]) {
    self.init(reason: reason.rawValue, message: message, transient: transient, details: details)
  }

  /// Any error of the work as a problem with a stable reason.
  init(_ error: any Error) {
    switch error {
    case let problem as ProblemReport:
      self = problem
    case let error as GeospatialError:
      self.init(
        reason: error.code.rawValue, message: error.message, transient: false, layer: error.layer,
        feature: error.feature, byte: error.byte, field: error.field, details: error.details)
    case let error as DatabaseError:
      self = error.problem
    case is TaskCancelled:
      self.init(.cancelled, "The task was cancelled.")
    default:
      self.init(.internal, "Unexpected: \(error)")
    }
  }
}

extension WarningTally {
  var taskWarnings: [TaskWarning] {
    entries.map { code, entry in
      TaskWarning(
        reason: code.rawValue, count: entry.count,
        examples: entry.examples.map {
          WarningExample(layer: $0.layer, feature: $0.feature, detail: String($0.detail.prefix(300)))
        })
    }
  }
}

extension LibraryVersions {
  /// The libraries in use.
  static var current: LibraryVersions {
    let versions = GDALLibrary.versions
    return LibraryVersions(gdal: versions.gdal, proj: versions.proj, geos: versions.geos)
  }
}
