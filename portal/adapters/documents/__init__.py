"""Labels, packing slips, receipts and QR codes: PDF, PNG, ZPL and SVG, drawn without any service.

May import: core, ports, fpdf2, segno, python-barcode, pillow, babel.
"""
