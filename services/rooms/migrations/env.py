from services.chassis.migrate import run

run()
